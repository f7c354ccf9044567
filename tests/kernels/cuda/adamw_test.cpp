#include "langevin/kernels/cuda/adamw.h"

#include <limits>

#include "device_array.h"
#include "langevin/core/check.h"

namespace langevin {
namespace {

using test::CudaKernels;
using test::DeviceArray;
using test::expect_near;
using test::normals;

const AdamWOptions kOptions{.lr = 3e-3,
                            .beta1 = 0.9,
                            .beta2 = 0.99,
                            .eps = 1e-8,
                            .weight_decay = 0.1,
                            .bias1 = 0.271,
                            .bias2 = 0.0297,
                            .gradient_multiplier = 0.25,
                            .ema_decay = 0.999};

/// The arrays of parameters of the given lengths, one after another in flat storage, each on 64 bytes.
template <class G>
struct Flat {
  explicit Flat(const std::vector<int64_t>& lengths) : lengths(lengths) {
    for (const int64_t n : lengths) {
      offsets.push_back(size);
      size += (n + 15) / 16 * 16;
    }
    gradient = normals<G>(size, 1);
    weight = normals<float>(size, 2);
    m = normals<float>(size, 3, 0, 0.1F);
    v = normals<float>(size, 4, 0, 0.1F);
    for (float& value : v) value *= value;
    ema = normals<float>(size, 5);
    copy.resize(weight.size());
  }
  std::vector<int64_t> lengths, offsets;
  int64_t size = 0;
  std::vector<G> gradient;
  std::vector<float> weight, m, v, ema;
  std::vector<BF16> copy;
};

template <class G>
std::vector<AdamWArrays<G>> arrays_of(const Flat<G>& f, const G* gradient, float* weight, float* m, float* v,
                                      float* ema, BF16* copy) {
  std::vector<AdamWArrays<G>> out;
  for (size_t i = 0; i < f.lengths.size(); ++i) {
    const int64_t at = f.offsets[i];
    out.push_back({f.lengths[i], gradient + at, weight + at, m + at, v + at, ema + at, copy + at});
  }
  return out;
}

template <class G>
void compare(const std::vector<int64_t>& lengths, size_t offset) {
  Flat<G> plain(lengths);
  const DeviceArray<G> gradient(plain.gradient, offset);
  DeviceArray<float> weight(plain.weight), m(plain.m), v(plain.v), ema(plain.ema);
  DeviceArray<BF16> copy(plain.copy);
  const auto arrays =
      arrays_of(plain, gradient.data(), weight.data(), m.data(), v.data(), ema.data(), copy.data());
  cuda::adamw_step(std::span<const AdamWArrays<G>>(arrays), kOptions, nullptr);
  for (const AdamWArrays<G>& a : arrays_of(plain, plain.gradient.data(), plain.weight.data(), plain.m.data(),
                                           plain.v.data(), plain.ema.data(), plain.copy.data()))
    reference::adamw_step(a, kOptions);
  const std::vector<float> moved = weight.values();
  expect_near(moved, plain.weight, 1e-7F, 5e-7F, "weight");
  expect_near(m.values(), plain.m, 1e-7F, 5e-7F, "m");
  expect_near(v.values(), plain.v, 1e-9F, 5e-7F, "v");
  expect_near(ema.values(), plain.ema, 1e-7F, 5e-7F, "ema");
  const std::vector<BF16> rounded = copy.values();
  for (size_t i = 0; i < lengths.size(); ++i) {
    for (int64_t e = plain.offsets[i]; e < plain.offsets[i] + lengths[i]; ++e) {
      const auto at = static_cast<size_t>(e);
      ASSERT_EQ(rounded[at].bits, to_bf16(moved[at]).bits) << e;
    }
  }
}

TEST_F(CudaKernels, AdamWEqualsTheReference) {
  std::vector<int64_t> many;  // more than one launch holds
  for (int64_t i = 0; i < 130; ++i) many.push_back(i * 37 % 300);
  for (const std::vector<int64_t>& lengths : {std::vector<int64_t>{1}, {7, 8193, 0, 16384, 30000}, many}) {
    for (const size_t offset : {0, 1}) {
      compare<float>(lengths, offset);
      compare<BF16>(lengths, offset);
    }
  }
}

TEST_F(CudaKernels, AdamWLeavesAbsentArraysAlone) {
  Flat<float> f({100});
  DeviceArray<float> gradient(f.gradient), weight(f.weight), m(f.m), v(f.v);
  const AdamWArrays<float> arrays{100, gradient.data(), weight.data(), m.data(), v.data(), nullptr, nullptr};
  cuda::adamw_step(std::span(&arrays, 1), kOptions, nullptr);
  EXPECT_FALSE(test::same_bits(weight.values(), f.weight));
  EXPECT_THROW(cuda::adamw_step(std::span(&arrays, 1), {.bias1 = 0}, nullptr), Error);
}

template <class T>
double squares_of(const std::vector<std::vector<T>>& parts) {
  std::vector<std::unique_ptr<DeviceArray<T>>> memory;
  std::vector<cuda::Values<T>> values;
  for (const auto& part : parts) {
    memory.push_back(std::make_unique<DeviceArray<T>>(part));
    values.push_back({memory.back()->data(), static_cast<int64_t>(part.size())});
  }
  const std::span<const cuda::Values<T>> all(values);
  return test::repeated([&] {
    DeviceArray<double> workspace(static_cast<size_t>(cuda::sum_of_squares_workspace(all)));
    DeviceArray<double> sum(size_t{1});
    cuda::sum_of_squares(all, sum.data(), workspace.data(), nullptr);
    workspace.values();
    return sum.values();
  })[0];
}

TEST_F(CudaKernels, SumOfSquaresIsExactForSmallIntegers) {
  std::vector<std::vector<float>> parts;
  double expected = 0;
  for (const size_t n : {0, 1, 15, 20000, 8192}) {
    std::vector<float> x(n);
    for (size_t i = 0; i < n; ++i) {
      x[i] = static_cast<float>(i % 100) - 50;
      expected += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    }
    parts.push_back(x);
  }
  for (int i = 0; i < 60; ++i) parts.push_back({3}), expected += 9;
  EXPECT_EQ(squares_of(parts), expected);
  std::vector<std::vector<BF16>> half;
  for (const auto& part : parts) {
    half.emplace_back();
    for (const float x : part) half.back().push_back(to_bf16(x));
  }
  EXPECT_EQ(squares_of(half), expected);
  EXPECT_EQ(squares_of<float>({}), 0);
}

TEST_F(CudaKernels, SumOfSquaresShowsABrokenGradientAndOnlyThat) {
  std::vector<float> x(20000, 1e30F);  // its squares overflow fp32
  EXPECT_NEAR(squares_of<float>({x}) / 2e64, 1, 1e-6);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    std::vector<float> broken(20000, 1.0F);
    broken[9999] = bad;
    EXPECT_FALSE(std::isfinite(squares_of<float>({x, broken})));
  }
}

}  // namespace
}  // namespace langevin
