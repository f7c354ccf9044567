// Noise and masks on the device are the bits of the CPU's.
#include "device_array.h"
#include "langevin/core/check.h"
#include "langevin/kernels/cuda/dropout.h"
#include "langevin/kernels/cuda/noise.h"

namespace langevin {
namespace {

using test::CudaKernels;
using test::DeviceArray;
using test::normals;
using test::same_bits;

const NoiseKey kKey{0x1234567890abcdef, 0x00abcdefffffffff, Purpose::sampler_noise, 41};

NoiseKey of_sample(int64_t i) {
  NoiseKey key = kKey;
  key.sample += static_cast<uint64_t>(i);
  return key;
}

TEST_F(CudaKernels, RandomWordsAreThoseOfTheCpu) {
  const int64_t n = 3, blocks = 300;
  DeviceArray<uint32_t> words(static_cast<size_t>(4 * n * blocks));
  cuda::fill_words(words.data(), n, blocks, kKey, nullptr);
  const auto got = words.values();
  for (int64_t i = 0; i < n * blocks; ++i) {
    const auto block = random_block(of_sample(i / blocks), static_cast<uint32_t>(i % blocks));
    for (size_t k = 0; k < 4; ++k) ASSERT_EQ(got[static_cast<size_t>(4 * i) + k], block[k]) << i;
  }
}

TEST_F(CudaKernels, NormalNoiseIsTheSameBitsAsTheCpus) {
  for (const int64_t elements : {1, 3, 4, 12, 1023, 3 * 32 * 32, 50001}) {
    const int64_t n = 3;
    for (const size_t offset : {0, 1}) {
      DeviceArray<float> noise(static_cast<size_t>(n * elements), offset);
      cuda::fill_normal(noise.data(), n, elements, kKey, nullptr);
      std::vector<float> expected(static_cast<size_t>(n * elements));
      for (int64_t i = 0; i < n; ++i) {
        const std::span<float> sample(expected.data() + i * elements, static_cast<size_t>(elements));
        fill_normal(sample, of_sample(i));
      }
      EXPECT_TRUE(same_bits(noise.values(), expected)) << elements;
    }
  }
}

TEST_F(CudaKernels, NoiseRefusesWhatHasNoKey) {
  EXPECT_THROW(cuda::fill_normal(nullptr, 1, (int64_t{1} << 34) + 1, kKey, nullptr), Error);
  EXPECT_THROW(cuda::fill_normal(nullptr, 2, 4, NoiseKey{0, (uint64_t{1} << 56) - 1}, nullptr), Error);
}

template <class T>
void compare_dropout(int64_t elements, double p, size_t offset) {
  const int64_t n = 3;
  const NoiseKey key = dropout_key(9, 4, 0xfffffffe, 6);
  const auto x = normals<T>(n * elements, 1);
  auto expected = x;
  reference::apply_dropout(x.data(), expected.data(), n, elements, p, key);
  DeviceArray<T> values(x, offset);
  cuda::apply_dropout(values.data(), values.data(), n, elements, {p, key, nullptr}, nullptr);
  const auto got = values.values();
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_EQ(to_float(got[i]), to_float(expected[i])) << elements << " " << i;
}

TEST_F(CudaKernels, DropoutEqualsTheCpus) {
  for (const double p : {0.0, 0.1, 0.5, 0.99999999}) {
    for (const int64_t elements : {1, 7, 8, 515, 4096}) {
      for (const size_t offset : {0, 1}) {
        compare_dropout<float>(elements, p, offset);
        compare_dropout<BF16>(elements, p, offset);
      }
    }
  }
}

TEST_F(CudaKernels, DropoutReadsItsMomentOnTheDevice) {
  const int64_t n = 2, elements = 640;
  const auto x = normals<float>(n * elements, 1);
  auto expected = x;
  reference::apply_dropout(x.data(), expected.data(), n, elements, 0.4, dropout_key(9, 4, 1000, 55));
  const DeviceArray<uint32_t> moment(std::vector<uint32_t>{1000, 55});
  DeviceArray<float> values(x);
  const cuda::DropoutMask mask{0.4, dropout_key(9, 4, 3, 2), moment.data()};
  cuda::apply_dropout(values.data(), values.data(), n, elements, mask, nullptr);
  EXPECT_TRUE(same_bits(values.values(), expected));
}

}  // namespace
}  // namespace langevin
