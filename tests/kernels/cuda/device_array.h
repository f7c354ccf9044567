// What the tests of the CUDA kernels share. They are built twice: cuda_emulation_test runs the kernels on the
// CPU (kernels/cuda/emulation.h), cuda_test on a GPU, where there is one.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "../support.h"
#include "langevin/kernels/cuda/memory.h"

namespace langevin::test {

class CudaKernels : public testing::Test {
 protected:
  void SetUp() override {
    if (cuda::device_count() == 0) GTEST_SKIP() << "no CUDA device: the kernels were compiled, not run";
  }
};

/// How often a launch is repeated to see that its bits stay the same, and the order of its threads in repeat
/// number i: emulated/order.cpp and gpu/order.cpp.
int repeats();
void use_order(int repeat);

/// An array on the device between two runs of bytes that no kernel may touch. Those before it are `offset`
/// elements more than a multiple of 256 bytes.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(std::vector<T> values, size_t offset = 0)
      : size_(values.size()), before_(kGuard + offset) {
    std::vector<T> whole(before_ + size_ + kGuard);
    std::memset(static_cast<void*>(whole.data()), kMark, whole.size() * sizeof(T));
    std::copy(values.begin(), values.end(), whole.begin() + static_cast<ptrdiff_t>(before_));
    memory_ = static_cast<T*>(cuda::allocate(whole.size() * sizeof(T)));
    cuda::copy(memory_, whole.data(), whole.size() * sizeof(T));
    cuda::wait();
  }
  /// `size` elements that a kernel must write: NaN until then.
  explicit DeviceArray(size_t size, size_t offset = 0) : DeviceArray(unwritten(size), offset) {}
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;
  ~DeviceArray() { cuda::release(memory_); }

  T* data() { return memory_ + before_; }
  const T* data() const { return memory_ + before_; }

  /// The values; a failure if something lies in what surrounds them.
  std::vector<T> values() const {
    std::vector<T> whole(before_ + size_ + kGuard);
    cuda::copy(whole.data(), memory_, whole.size() * sizeof(T));
    cuda::wait();
    const auto* bytes = reinterpret_cast<const unsigned char*>(whole.data());
    for (size_t i = 0; i < whole.size() * sizeof(T); ++i) {
      if (i / sizeof(T) >= before_ && i / sizeof(T) < before_ + size_) continue;
      if (bytes[i] != kMark) {
        ADD_FAILURE() << "written " << (i / sizeof(T) < before_ ? "before" : "behind") << " an array";
        break;
      }
    }
    const auto first = whole.begin() + static_cast<ptrdiff_t>(before_);
    return {first, first + static_cast<ptrdiff_t>(size_)};
  }

 private:
  static constexpr size_t kGuard = 256;
  static constexpr unsigned char kMark = 0xa5;
  static std::vector<T> unwritten(size_t size) {
    std::vector<T> out(size);
    std::memset(static_cast<void*>(out.data()), 0xff, size * sizeof(T));
    return out;
  }
  size_t size_, before_;
  T* memory_ = nullptr;
};

/// Runs `make` once for each order of threads; it returns a vector, which must be the same bits each time. It
/// makes its own workspace, so that nothing is left there from the time before.
template <class Make>
auto repeated(const Make& make, bool once = false) {
  use_order(0);
  const auto first = make();
  for (int i = 1; i < repeats() && !once; ++i) {
    use_order(i);
    EXPECT_TRUE(same_bits(first, make())) << "other bits in repeat " << i;
  }
  use_order(0);
  return first;
}

template <class T>
std::vector<float> as_floats(const std::vector<T>& values) {
  std::vector<float> out(values.size());
  for (size_t i = 0; i < out.size(); ++i) out[i] = to_float(values[i]);
  return out;
}

}  // namespace langevin::test
