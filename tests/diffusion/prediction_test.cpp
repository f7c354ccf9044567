#include "langevin/diffusion/prediction.h"

#include <gtest/gtest.h>

#include <cmath>

namespace langevin {
namespace {

template <class A>
class Conversions : public testing::Test {};
using Arrays = testing::Types<HostArrayF, HostArrayD>;
TYPED_TEST_SUITE(Conversions, Arrays);

// Levels per sample, both ends included: alpha = 0 (sample 0), sigma = 0 (the last).
Level levels() {
  const std::vector<double> angles{0.1, 0.7, 1.2, 1.5};
  std::vector<double> alpha{0}, sigma{1};
  for (double a : angles) {
    alpha.push_back(std::sin(a));
    sigma.push_back(std::cos(a));
  }
  alpha.push_back(1);
  sigma.push_back(0);
  return {alpha, sigma};
}

constexpr int64_t kBatch = 6, kElements = 9;

template <class A>
struct Case {
  A x0 = noise_like(A({kBatch, 3, 3}), NoiseKey{1, 0, Purpose::test, 0});
  A eps = noise_like(A({kBatch, 3, 3}), NoiseKey{2, 0, Purpose::test, 0});
  Level level = levels();
  A x_t = lincomb(level.alpha, x0, level.sigma, eps);
};

template <class A>
void expect_sample_near(const A& a, const A& b, int64_t sample, double tolerance) {
  for (size_t j = 0; j < kElements; ++j)
    EXPECT_NEAR(a.sample(sample)[j], b.sample(sample)[j], tolerance) << sample;
}

TYPED_TEST(Conversions, RoundTripForEveryType) {
  const Case<TypeParam> c;
  const double tolerance = sizeof(c.x0[0]) == 4 ? 2e-5 : 1e-13;
  for (const std::string& name : prediction_types()) {
    const PredictionType type = prediction_type(name);
    const TypeParam output = prediction_target(c.x0, c.eps, c.level, type);
    const Prediction<TypeParam> prediction = to_prediction(output, c.x_t, c.level, type);
    for (int64_t i = 0; i < kBatch; ++i) {
      const bool no_signal = i == 0 && type == PredictionType::epsilon;
      const bool no_noise = i == kBatch - 1 && type == PredictionType::sample;
      expect_sample_near(prediction.x0, no_signal ? TypeParam(c.x0.shape()) : c.x0, i, tolerance);
      expect_sample_near(prediction.eps, no_noise ? TypeParam(c.x0.shape()) : c.eps, i, tolerance);
    }
    const TypeParam back = prediction_target(prediction.x0, prediction.eps, c.level, type);
    for (int64_t i = 0; i < kBatch; ++i) expect_sample_near(back, output, i, tolerance);
  }
}

TYPED_TEST(Conversions, BothEstimatesAlwaysExplainXt) {
  const Case<TypeParam> c;
  const TypeParam anything = noise_like(c.x0, NoiseKey{9, 0, Purpose::test, 0});
  for (const std::string& name : prediction_types()) {
    const auto p = to_prediction(anything, c.x_t, c.level, prediction_type(name));
    const TypeParam again = lincomb(c.level.alpha, p.x0, c.level.sigma, p.eps);
    // Not at the ends: there an estimate may contradict x_t, which holds only one of the two.
    for (int64_t i = 1; i + 1 < kBatch; ++i) expect_sample_near(again, c.x_t, i, 1e-5);
  }
}

TYPED_TEST(Conversions, VIsBoundedAtBothEnds) {
  const Case<TypeParam> c;
  const TypeParam v = v_from(c.x0, c.eps, c.level);
  expect_sample_near(v, lincomb(-1.0, c.x0), 0, 1e-12);  // alpha = 0: v = -x_0
  expect_sample_near(v, c.eps, kBatch - 1, 1e-12);       // sigma = 0: v = eps
  for (int64_t i = 0; i < kBatch; ++i) {
    expect_sample_near(x0_from_v(c.x_t, v, c.level), c.x0, i, 1e-6);
    expect_sample_near(eps_from_v(c.x_t, v, c.level), c.eps, i, 1e-6);
  }
}

TEST(PredictionType, NamesAreThoseOfDiffusers) {
  for (const char* name : {"epsilon", "sample", "v_prediction"})
    EXPECT_EQ(to_string(prediction_type(name)), name);
  try {
    prediction_type("epsilom");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("epsilon"), std::string::npos);
  }
}

TEST(CoefMap, ScalarsGoWithSamples) {
  const Coef sum =
      map_coef([](double a, double b) { return a + b; }, Coef(1.0), Coef(std::vector<double>{1, 2}));
  ASSERT_TRUE(sum.per_sample());
  EXPECT_EQ(sum[1], 3);
  EXPECT_FALSE(map_coef([](double a, double b) { return a * b; }, Coef(2.0), Coef(3.0)).per_sample());
  EXPECT_THROW(map_coef([](double a, double b) { return a * b; }, Coef(std::vector<double>{1}),
                        Coef(std::vector<double>{1, 2})),
               Error);
}

}  // namespace
}  // namespace langevin
