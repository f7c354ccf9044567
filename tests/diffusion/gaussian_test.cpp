#include "langevin/diffusion/gaussian.h"

#include <gtest/gtest.h>

#include <numbers>

namespace langevin {
namespace {

// Trapezoids over 16 standard deviations: exact to rounding for smooth densities.
template <class F>
double integrate(double mean, double stddev, F f) {
  constexpr int kPoints = 20001;
  const double h = 32 * stddev / (kPoints - 1);
  double sum = 0;
  for (int i = 0; i < kPoints; ++i) sum += h * f(mean - 16 * stddev + h * i);
  return sum;
}

TEST(Gaussian, KlIsTheIntegral) {
  for (const auto& [m1, lv1, m2, lv2] : {std::array{0.0, 0.0, 1.0, 0.0},
                                         {0.3, -2.0, -0.2, 0.5},
                                         {1.0, 1.2, 1.0, -1.0},
                                         {0.0, -3.0, 0.1, -3.1}}) {
    const double truth = integrate(m1, std::exp(lv1 / 2), [&, a = m1, b = lv1, c = m2, d = lv2](double x) {
      const double log_p = log_density_gaussian(x, a, b);
      return std::exp(log_p) * (log_p - log_density_gaussian(x, c, d));
    });
    EXPECT_NEAR(kl_gaussian(m1, lv1, m2, lv2), truth, 1e-10 * (1 + truth));
  }
  EXPECT_DOUBLE_EQ(kl_gaussian(0, 0, 1, 0), 0.5);
}

TEST(Gaussian, KlIsZeroOnlyForTheSame) {
  EXPECT_EQ(kl_gaussian(0.7, -1.3, 0.7, -1.3), 0);
  EXPECT_GT(kl_gaussian(0, 1e-9, 0, 0), 0);  // tiny differences do not cancel to noise
  EXPECT_NEAR(kl_gaussian(0, 1e-9, 0, 0) / 2.5e-19, 1, 0.1);
}

TEST(Gaussian, DensityAndEntropy) {
  EXPECT_NEAR(
      integrate(0.4, 2, [](double x) { return std::exp(log_density_gaussian(x, 0.4, std::log(4.0))); }), 1,
      1e-12);
  const double lv = -0.8;
  const double truth = integrate(0, std::exp(lv / 2), [&](double x) {
    const double log_p = log_density_gaussian(x, 0, lv);
    return -std::exp(log_p) * log_p;
  });
  EXPECT_NEAR(entropy_gaussian(std::vector<double>{lv}), truth, 1e-10);
  EXPECT_NEAR(entropy_gaussian(std::vector<double>{lv, lv, lv}), 3 * truth, 1e-10);
}

TEST(Gaussian, SumsOverDimensionsAndPerSample) {
  const std::vector<double> m1{0.1, 0.2}, lv1{-1, -1}, m2{0.5, -0.3}, lv2{0.5, 0.5};
  const double expected = kl_gaussian(0.1, -1, 0.5, 0.5) + kl_gaussian(0.2, -1, -0.3, 0.5);
  EXPECT_NEAR(kl_gaussian(m1, lv1, m2, lv2), expected, 1e-14);
  EXPECT_THROW(kl_gaussian(m1, lv1, m2, std::vector<double>{1}), Error);
  const Gaussian<HostArrayD> p{HostArrayD({2, 2}, std::vector<double>{0.1, 0.2, 1, 1}), 1.0,
                               std::vector<double>{-1, 0}};
  const Gaussian<HostArrayD> q{HostArrayD({2, 2}, std::vector<double>{0.5, -0.3, 1, 1}), 1.0,
                               std::vector<double>{0.5, 0}};
  const auto kl = kl_gaussian(p, q);
  EXPECT_NEAR(kl[0], expected, 1e-14);
  EXPECT_EQ(kl[1], 0);
}

}  // namespace
}  // namespace langevin
