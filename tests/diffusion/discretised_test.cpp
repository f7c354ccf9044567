#include "langevin/diffusion/discretised.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "langevin/diffusion/gaussian.h"
#include "langevin/diffusion/likelihood.h"

namespace langevin {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Every value gets its share, and the shares are all there is.
TEST(Discretised, TheGridsProbabilitiesSumToOne) {
  for (const double mean : {-1.3, -1.0, -0.2, 0.0, 0.7004, 1.0, 2.5}) {
    for (const double log_scale : {-9.0, -6.0, -3.0, -1.0, 0.0, 2.0}) {
      double gaussian = 0, logistic = 0, laplace = 0;
      for (int64_t k = 0; k < 256; ++k) {
        const auto x = static_cast<float>(Bins{}.value(k));  // as data has it
        gaussian += std::exp(log_bin_gaussian(x, mean, 2 * log_scale));
        laplace += std::exp(log_bin_laplace(x, mean, log_scale));
        logistic += std::exp(log_bin_logistic(x, mean, log_scale));
      }
      EXPECT_NEAR(gaussian, 1, 1e-5) << mean << " " << log_scale;
      EXPECT_NEAR(laplace, 1, 1e-5) << mean << " " << log_scale;
      EXPECT_NEAR(logistic, 1, 1e-5) << mean << " " << log_scale;
    }
  }
  for (const double z : {-1.1, 0.0, 0.3333, 1.0}) {
    for (const double sigma : {1e-3, 0.01, 1.0}) {
      double sum = 0;
      for (int64_t k = 0; k < 256; ++k) sum += std::exp(log_bin_posterior(Bins{}.value(k), z, 0.99, sigma));
      EXPECT_NEAR(sum, 1, 1e-9);
    }
  }
  const Bins three{0, 1, 3};
  double sum = 0;
  for (int64_t k = 0; k < 3; ++k) sum += std::exp(log_bin_gaussian(three.value(k), 0.4, -1, three));
  EXPECT_NEAR(sum, 1, 1e-12);
}

TEST(Discretised, NarrowBinsAreDensityTimesWidth) {
  const double width = Bins{}.step();
  for (const double x : {-0.5, 0.1, 0.9}) {
    const double exact = log_density_gaussian(x, 0.2, 0) + std::log(width);
    EXPECT_NEAR(log_bin_gaussian(x, 0.2, 0), exact, 1e-4);
  }
}

// log Phi(-x) from tables of the normal distribution: Phi(-10) = 7.6198530e-24, Phi(-38) = 2.885428e-316.
TEST(LogNormalCdf, ReachesFarIntoTheTail) {
  EXPECT_NEAR(log_normal_cdf(0), -std::numbers::ln2, 1e-15);
  EXPECT_NEAR(log_normal_cdf(-10), std::log(7.6198530241605e-24), 1e-12);
  EXPECT_NEAR(log_normal_cdf(-38), -726.55721601882, 1e-8);
  EXPECT_NEAR(log_normal_cdf(8), -6.220960574271786e-16, 1e-25 + 1e-16);
  EXPECT_EQ(log_normal_cdf(-kInfinity), -kInfinity);
  // Both branches meet.
  EXPECT_NEAR(log_normal_cdf(-24.9999999), log_normal_cdf(-25.0000001), 1e-5);
  EXPECT_EQ(log_normal_interval(-kInfinity, kInfinity), 0);
  EXPECT_EQ(log_normal_interval(1, 1), -kInfinity);
  // Far out, where the difference of two probabilities is 0 in doubles.
  EXPECT_NEAR(log_normal_interval(40, 41), log_normal_cdf(-40), 1e-9);
  EXPECT_NEAR(log_normal_interval(-41, -40), log_normal_cdf(-40), 1e-9);
  EXPECT_TRUE(std::isfinite(log_bin_gaussian(1, -1, -18)));
  EXPECT_TRUE(std::isfinite(log_bin_logistic(1, -1, -18)));
}

// The scale of greatest likelihood: of a Gaussian the root mean square distance, of a Laplace the mean one.
TEST(Likelihood, FindsItsScale) {
  std::vector<float> x, mean(2000, 0.0F);
  for (int i = 0; i < 2000; ++i) x.push_back(0.3F * std::sin(static_cast<float>(i)));
  double square = 0, distance = 0;
  for (const float v : x) square += static_cast<double>(v) * v / 2000, distance += std::abs(v) / 2000.0;
  EXPECT_NEAR(fit_log_scale(Likelihood::gaussian, x, mean), 0.5 * std::log(square), 1e-3);
  EXPECT_NEAR(fit_log_scale(Likelihood::laplace, x, mean), std::log(distance), 1e-3);
  EXPECT_THROW(log_likelihood(Likelihood::logistic, x, mean, 0, false), Error);
  EXPECT_EQ(likelihood_from_name("laplace"), Likelihood::laplace);
  EXPECT_THROW(likelihood_from_name("laplac"), Error);
}

TEST(Bits, AreNatsByDimension) { EXPECT_NEAR(bits_per_dim(8 * std::numbers::ln2, 4), 2, 1e-15); }

}  // namespace
}  // namespace langevin
