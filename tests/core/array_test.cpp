#include "langevin/core/array.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace langevin {
namespace {

static_assert(Array<HostArrayF>);
static_assert(Array<HostArrayD>);

template <class T>
class HostArrayOf : public testing::Test {
 protected:
  HostArray<T> x{{2, 3}, {1, -2, 3, -4, 5, -6}};
  HostArray<T> y{{2, 3}, {10, 20, 30, 40, 50, 60}};
  HostArray<T> z{{2, 3}, {100, 100, 100, 200, 200, 200}};
  static std::vector<T> values(const HostArray<T>& a) { return {a.data().begin(), a.data().end()}; }
};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(HostArrayOf, Types);

TYPED_TEST(HostArrayOf, ShapeAndSamples) {
  EXPECT_EQ(batch_size(this->x), 2);
  EXPECT_EQ(this->x.sample_size(), 3);
  EXPECT_EQ(this->x.sample(1)[0], TypeParam(-4));
  EXPECT_EQ(shape_of(this->x), (Shape{2, 3}));
  const HostArray<TypeParam> filled({2, 2}, TypeParam(7));
  EXPECT_EQ(this->values(filled), std::vector<TypeParam>(4, TypeParam(7)));
  const HostArray<TypeParam> empty(Shape{0, 3});
  EXPECT_EQ(empty.batch(), 0);
  EXPECT_EQ(empty.sample_size(), 0);
  EXPECT_TRUE(norm(empty).empty());
}

TYPED_TEST(HostArrayOf, LinearCombinations) {
  using V = std::vector<TypeParam>;
  const Coef each(std::vector<double>{2, -1});
  EXPECT_EQ(this->values(lincomb(0.5, this->x)), (V{0.5, -1, 1.5, -2, 2.5, -3}));
  EXPECT_EQ(this->values(lincomb(each, this->x)), (V{2, -4, 6, 4, -5, 6}));
  EXPECT_EQ(this->values(lincomb(each, this->x, 1.0, this->y)), (V{12, 16, 36, 44, 45, 66}));
  EXPECT_EQ(this->values(lincomb(each, this->x, 1.0, this->y, each, this->z)),
            (V{212, 216, 236, -156, -155, -134}));
}

TYPED_TEST(HostArrayOf, ClampSelectNorm) {
  using V = std::vector<TypeParam>;
  EXPECT_EQ(this->values(clamp(this->x, -2.5, 2.5)), (V{1, -2, 2.5, -2.5, 2.5, -2.5}));
  EXPECT_EQ(this->values(clamp(this->x, Coef(std::vector<double>{-1, -5}), Coef(std::vector<double>{1, 5}))),
            (V{1, -1, 1, -4, 5, -5}));
  const HostArray<TypeParam> mask({2, 3}, V{1, 0, 0, 0, 1, 2});
  EXPECT_EQ(this->values(select(mask, this->x, this->y)), (V{1, 20, 30, 40, 5, -6}));
  EXPECT_DOUBLE_EQ(norm(this->x)[0], std::sqrt(14.0));
  EXPECT_DOUBLE_EQ(norm(this->x)[1], std::sqrt(77.0));
}

// Linear interpolation between order statistics at rank q (n - 1): the definition of torch.quantile and
// numpy.
TYPED_TEST(HostArrayOf, AbsQuantile) {
  const HostArray<TypeParam> a({2, 5}, {-5, 1, 3, -2, 4, 10, 10, 10, 10, -10});
  EXPECT_EQ(abs_quantile(a, 0.0), (std::vector<double>{1, 10}));
  EXPECT_EQ(abs_quantile(a, 1.0), (std::vector<double>{5, 10}));
  EXPECT_EQ(abs_quantile(a, 0.5), (std::vector<double>{3, 10}));
  EXPECT_DOUBLE_EQ(abs_quantile(a, 0.9)[0], 4.6);    // rank 3.6
  EXPECT_DOUBLE_EQ(abs_quantile(a, 0.33)[0], 2.32);  // rank 1.32
  EXPECT_EQ(abs_quantile(HostArray<TypeParam>({1, 1}, {-3}), 0.7), (std::vector<double>{3}));
}

TYPED_TEST(HostArrayOf, NotANumberStaysVisible) {
  const TypeParam nan = std::numeric_limits<TypeParam>::quiet_NaN();
  const HostArray<TypeParam> a({2, 2}, {1, nan, 3, 4});
  EXPECT_TRUE(std::isnan(clamp(a, -1, 1)[1]));
  const auto quantile = abs_quantile(a, 0.5);
  EXPECT_TRUE(std::isnan(quantile[0]));
  EXPECT_DOUBLE_EQ(quantile[1], 3.5);
}

TYPED_TEST(HostArrayOf, NoiseOfASampleKnowsNothingOfTheBatch) {
  const NoiseKey key{7, 100, Purpose::initial_noise, 3};
  const HostArray<TypeParam> batch = noise_like(HostArray<TypeParam>(Shape{5, 3, 7}), key);
  for (uint64_t i = 0; i < 5; ++i) {
    NoiseKey mine = key;
    mine.sample = 100 + i;
    const HostArray<TypeParam> one = noise_like(HostArray<TypeParam>(Shape{1, 21}), mine);
    for (size_t j = 0; j < 21; ++j) EXPECT_EQ(batch.sample(static_cast<int64_t>(i))[j], one.sample(0)[j]);
  }
}

TEST(HostArray, NoiseIsTheSameInFloatAndDouble) {
  const HostArrayF f = noise_like(HostArrayF(Shape{3, 300}), {1, 2});
  const HostArrayD d = noise_like(HostArrayD(Shape{3, 300}), {1, 2});
  for (int64_t j = 0; j < f.size(); ++j) EXPECT_EQ(static_cast<double>(f[j]), d[j]);
}

TEST(HostArray, WrongShapesAreNamed) {
  const HostArrayF a(Shape{2, 3}), b(Shape{3, 2});
  try {
    lincomb(1, a, 1, b);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "lincomb: needs arrays of one shape, got (2, 3) and (3, 2)");
  }
  EXPECT_THROW(lincomb(Coef(std::vector<double>{1, 2, 3}), a), Error);
  EXPECT_THROW(select(a, a, b), Error);
  EXPECT_THROW(clamp(a, 1, -1), Error);
  EXPECT_THROW(abs_quantile(a, 1.5), Error);
  EXPECT_THROW(abs_quantile(HostArrayF(Shape{2, 0}), 0.5), Error);
  EXPECT_THROW(HostArrayF(Shape{2, 2}, std::vector<float>(3)), Error);
  EXPECT_THROW(HostArrayF(Shape{-1, 2}), Error);
  EXPECT_THROW(HostArrayF(Shape{}), Error);
}

TEST(ElementCount, OverflowIsFoundBeforeItHappens) {
  constexpr int64_t big = int64_t{1} << 31;
  EXPECT_EQ(element_count({2, 3, 4}), 24);
  EXPECT_EQ(element_count({}), 1);
  EXPECT_EQ(element_count({big, 0, big}), 0);
  EXPECT_EQ(element_count({big, big}), int64_t{1} << 62);
  EXPECT_THROW(element_count({big, big, 2}), Error);
  EXPECT_THROW(element_count({big, big, big, big}), Error);
  EXPECT_THROW(element_count({0, -1}), Error);
  EXPECT_EQ(to_string(Shape{8, 3}), "(8, 3)");
}

}  // namespace
}  // namespace langevin
