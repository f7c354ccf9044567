#include "langevin/kernels/cuda/rows.h"

#include <cmath>

#include "device_array.h"
#include "langevin/core/check.h"

namespace langevin {
namespace {

using test::as_floats;
using test::CudaKernels;
using test::DeviceArray;
using test::expect_near;
using test::normals;

template <class T>
constexpr float kRelative = sizeof(T) == 2 ? 1.0F / 256 : 1e-6F;

template <class T>
void compare_add(int64_t n, int64_t hw, int64_t c, bool row_a_sample, bool with_z, size_t offset) {
  const auto x = normals<T>(n * hw * c, 1), z = normals<T>(n * hw * c, 2);
  const auto row = normals<T>(n * c, 3);
  std::vector<float> expected(x.size());
  const int64_t stride = row_a_sample ? c : 0;
  for (int64_t i = 0; i < n * hw * c; ++i) {
    const auto at = static_cast<size_t>(i);
    expected[at] =
        0.5F * (to_float(x[at]) + to_float(row[static_cast<size_t>(i / (hw * c) * stride + i % c)]) +
                (with_z ? to_float(z[at]) : 0.0F));
  }
  const DeviceArray<T> dx(x, offset), dz(z, offset);
  const DeviceArray<T> drow(row);
  DeviceArray<T> y(x.size(), offset);
  cuda::Add<T> call{dx.data(), drow.data(), with_z ? dz.data() : nullptr, y.data(), n, hw, c, stride, 0.5F};
  cuda::add(call, nullptr);
  expect_near(as_floats(y.values()), expected, 1e-6F, kRelative<T>, "add");
}

TEST_F(CudaKernels, AddsRowsAndResiduals) {
  for (const size_t offset : {0, 1}) {
    for (const int64_t c : {1, 12, 64}) {
      compare_add<float>(2, 37, c, true, true, offset);
      compare_add<BF16>(2, 37, c, false, true, offset);
      compare_add<BF16>(3, 5, c, true, false, offset);
    }
  }
}

template <class T>
void compare_sums(int64_t n, int64_t hw, int64_t c) {
  const auto x = normals<T>(n * hw * c, 1);
  std::vector<float> expected;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t channel = 0; channel < c; ++channel) {
      double sum = 0;
      for (int64_t p = 0; p < hw; ++p)
        sum += static_cast<double>(to_float(x[static_cast<size_t>((i * hw + p) * c + channel)]));
      expected.push_back(static_cast<float>(sum));
    }
  }
  const DeviceArray<T> values(x);
  const auto got = test::repeated([&] {
    DeviceArray<float> workspace(static_cast<size_t>(cuda::channel_sums_workspace(n, hw, c)));
    DeviceArray<T> sums(expected.size());
    cuda::channel_sums(cuda::ChannelSums<T>{values.data(), sums.data(), workspace.data(), n, hw, c}, nullptr);
    workspace.values();
    return sums.values();
  });
  expect_near(as_floats(got), expected, 3e-6F * std::sqrt(static_cast<float>(hw)), kRelative<T> + 1e-5F,
              "sums");
}

TEST_F(CudaKernels, SumsOfChannels) {
  for (const int64_t c : {1, 31, 64, 100}) {
    for (const int64_t hw : {1, 9, 256, 3000}) {
      compare_sums<float>(2, hw, c);
      compare_sums<BF16>(1, hw, c);
    }
  }
  compare_sums<float>(1, 20000, 5);
  compare_sums<BF16>(1, 3, 2600);  // more columns than threads, of one channel and of eight
  compare_sums<float>(2, 2, 301);
}

/// As the vocabulary defines it (nn/vocabulary.h), in double.
double feature(double t, int64_t dim, int64_t i, bool flip, double shift) {
  const int64_t half = dim / 2;
  if (i >= 2 * half) return 0;
  const double frequency =
      std::exp(-std::log(10000.0) * static_cast<double>(i % half) / (static_cast<double>(half) - shift));
  return (i >= half) != flip ? std::cos(t * frequency) : std::sin(t * frequency);
}

TEST_F(CudaKernels, TimestepFeatures) {
  const std::vector<float> t{0, 1, 37.5F, 999};
  const DeviceArray<float> times(t);
  for (const int64_t dim : {2, 33, 128}) {
    for (const bool flip : {false, true}) {
      DeviceArray<float> y(t.size() * static_cast<size_t>(dim));
      cuda::timestep_features(
          cuda::TimestepFeatures<float>{times.data(), y.data(), 4, dim, flip, dim == 2 ? 0.0 : 1.0}, nullptr);
      const auto got = y.values();
      for (size_t i = 0; i < got.size(); ++i) {
        const size_t sample = i / static_cast<size_t>(dim);
        const auto k = static_cast<int64_t>(i % static_cast<size_t>(dim));
        // The angle is rounded to 2^-24 of itself.
        EXPECT_NEAR(got[i], feature(static_cast<double>(t[sample]), dim, k, flip, dim == 2 ? 0 : 1),
                    1e-6 + 2e-7 * static_cast<double>(t[sample]))
            << i;
      }
    }
  }
}

}  // namespace
}  // namespace langevin
