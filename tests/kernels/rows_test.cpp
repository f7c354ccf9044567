#include "langevin/kernels/rows.h"

#include "support.h"

namespace langevin {
namespace {

using test::each_target;
using test::expect_near;
using test::normals;
using test::same_bits;
using test::with_threads;

template <class T>
constexpr float kRounding = sizeof(T) == 2 ? 4e-3F : 0.0F;  // half a step of bf16

template <class T>
class Rows : public testing::Test {};
using Types = testing::Types<float, BF16>;
TYPED_TEST_SUITE(Rows, Types);

TYPED_TEST(Rows, SoftmaxIsTheReferences) {
  for (const int64_t length : {1, 7, 16, 33, 256}) {
    const int64_t rows = 5;
    for (const float scale : {0.0625F, 4.0F, -1.0F}) {
      std::vector<TypeParam> want(static_cast<size_t>(rows * length)), got(want.size());
      std::vector<float> x = normals<float>(rows * length, 1, 0, 3);
      reference::softmax_rows(Softmax<TypeParam>{x.data(), want.data(), rows, length, scale});
      each_target([&](const std::string& target) {
        std::vector<float> scratch = x;  // is overwritten
        softmax_rows(Softmax<TypeParam>{scratch.data(), got.data(), rows, length, scale});
        expect_near(got, want, 1e-7F, 5e-6F + 2 * kRounding<TypeParam>, target);
      });
    }
  }
}

TYPED_TEST(Rows, SoftmaxSurvivesLargeScores) {
  std::vector<float> x{1000, 999, -1e30F, 1000};
  std::vector<TypeParam> y(4);
  softmax_rows(Softmax<TypeParam>{x.data(), y.data(), 1, 4, 1});
  float sum = 0;
  for (const TypeParam& v : y) sum += to_float(v);
  EXPECT_NEAR(sum, 1, 1e-2);
  EXPECT_EQ(to_float(y[0]), to_float(y[3]));
  EXPECT_LT(to_float(y[2]), 1e-30F);
}

TYPED_TEST(Rows, ElementwiseIsTheReferences) {
  for (const int64_t n : {1, 15, 64, 40001}) {
    const auto x = normals<TypeParam>(n, 1, 0, 4), z = normals<TypeParam>(n, 2);
    std::vector<TypeParam> want(x.size()), got(x.size());
    each_target([&](const std::string& target) {
      reference::blend(Blend<TypeParam>{x.data(), z.data(), want.data(), n, 2, -0.5F, 1});
      blend(Blend<TypeParam>{x.data(), z.data(), got.data(), n, 2, -0.5F, 1});
      expect_near(got, want, 1e-5F, 1e-5F + 2 * kRounding<TypeParam>, target + " blend");
      reference::blend(Blend<TypeParam>{x.data(), nullptr, want.data(), n, 2, 1, -1});
      blend(Blend<TypeParam>{x.data(), nullptr, got.data(), n, 2, 1, -1});
      expect_near(got, want, 1e-5F, 1e-5F + 2 * kRounding<TypeParam>, target + " affine");
      reference::silu(x.data(), want.data(), n);
      silu(x.data(), got.data(), n);
      expect_near(got, want, 1e-6F, 1e-5F + 2 * kRounding<TypeParam>, target + " silu");
      reference::mish(x.data(), want.data(), n);
      mish(x.data(), got.data(), n);
      expect_near(got, want, 1e-6F, 1e-5F + 2 * kRounding<TypeParam>, target + " mish");
    });
  }
}

TYPED_TEST(Rows, MishHoldsAtTheEnds) {
  const float infinity = INFINITY;
  const std::vector<float> ends{0, -0.0F, 1e30F, infinity, -1e30F, 100, -100, 20, 25, NAN};
  std::vector<TypeParam> x, y(ends.size());
  for (const float v : ends) test::put(x.emplace_back(), v);
  each_target([&](const std::string& target) {
    mish(x.data(), y.data(), static_cast<int64_t>(x.size()));
    for (size_t i : {2, 5, 7, 8}) EXPECT_NEAR(to_float(y[i]) / to_float(x[i]), 1, 4e-3) << target;
    for (size_t i : {0, 1, 4, 6}) EXPECT_NEAR(to_float(y[i]), 0, 1e-4) << target << i;
    EXPECT_EQ(to_float(y[3]), infinity);
    EXPECT_TRUE(std::isnan(to_float(y[9])));
  });
}

TYPED_TEST(Rows, ARowIsAddedToEveryPositionScaledOrNot) {
  for (const int64_t stride : {0, 37}) {
    const int64_t n = 3, hw = 10, c = 35;
    const auto x = normals<TypeParam>(n * hw * c, 1);
    const auto row = normals<float>(n * 37, 2), scales = normals<float>(n * 37, 3);
    std::vector<TypeParam> want(x.size()), got(x.size());
    for (const float* scale : {scales.data(), static_cast<const float*>(nullptr)}) {
      reference::add_channels(
          AddChannels<TypeParam>{x.data(), scale, row.data(), want.data(), n, hw, c, stride});
      each_target([&](const std::string& target) {
        add_channels(AddChannels<TypeParam>{x.data(), scale, row.data(), got.data(), n, hw, c, stride});
        expect_near(got, want, 1e-6F, 1e-6F + 2 * kRounding<TypeParam>, target);
      });
    }
  }
}

TEST(LinearRow, IsTheReferencesForAnyNumberOfThreads) {
  for (const int64_t in : {1, 19, 128, 513}) {
    const int64_t out = 300;
    const auto x = normals<float>(in, 1), w = normals<float>(in * out, 2), b = normals<float>(out, 3);
    std::vector<float> want(static_cast<size_t>(out)), one(want.size()), two(want.size());
    for (const float* bias : {b.data(), static_cast<const float*>(nullptr)}) {
      reference::linear_row({x.data(), w.data(), bias, want.data(), in, out});
      each_target([&](const std::string& target) {
        with_threads(1, [&] { linear_row({x.data(), w.data(), bias, one.data(), in, out}); });
        with_threads(3, [&] { linear_row({x.data(), w.data(), bias, two.data(), in, out}); });
        expect_near(one, want, 1e-4F, 1e-5F, target);
        EXPECT_TRUE(same_bits(one, two)) << target;
      });
    }
  }
}

TEST(LinearRow, ColumnsOfAWiderMatrixMayBeTaken) {
  const int64_t in = 19, out = 40, stride = 50;
  const auto x = normals<float>(in, 1), w = normals<float>(stride * out, 2);
  std::vector<float> want(static_cast<size_t>(out)), got(want.size());
  reference::linear_row({x.data(), w.data() + 7, nullptr, want.data(), in, out, stride});
  linear_row({x.data(), w.data() + 7, nullptr, got.data(), in, out, stride});
  expect_near(got, want, 1e-4F, 1e-5F, "strided");
  for (int64_t o = 0; o < out; ++o) {
    float sum = 0;
    for (int64_t i = 0; i < in; ++i)
      sum += w[static_cast<size_t>(o * stride + 7 + i)] * x[static_cast<size_t>(i)];
    EXPECT_NEAR(got[static_cast<size_t>(o)], sum, 1e-4);
  }
}

}  // namespace
}  // namespace langevin
