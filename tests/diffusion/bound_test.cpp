// The bound's terms, their sum on data whose entropy is known, and timesteps drawn by them.
#include "langevin/diffusion/bound.h"

#include <gtest/gtest.h>

#include <cmath>

#include "langevin/diffusion/gaussian.h"
#include "langevin/diffusion/loss_aware.h"
#include "langevin/diffusion/process.h"

namespace langevin {
namespace {

Schedule make(const std::string& kind, int64_t T) {
  ScheduleConfig config;
  config.kind = kind;
  config.timesteps = T;
  return Schedule(config);
}

TEST(Bound, KlOfIdenticalGaussiansIsZero) {
  for (const double lv : {-20.0, -3.0, 0.0, 4.0}) EXPECT_NEAR(kl_gaussian(0.3, lv, 0.3, lv), 0, 1e-6);
  // A model that knows x_0 and has the posterior's variance.
  const Schedule schedule = make("cosine", 50);
  const std::vector<float> x0{-1, 0.2F, 0.9F};
  for (int64_t t = 1; t < 50; ++t) EXPECT_NEAR(step_term(schedule, t, x0, {x0, {}}), 0, 1e-6);
}

// KL(N(alpha x, sigma^2) || N(0, 1)) by its own formula, for schedules with known last levels.
TEST(Bound, PriorTermOfTheSchedules) {
  const std::vector<float> x0{1, -0.5F, 0};
  for (const auto& [kind, last] : {std::pair{"linear", 4.0358e-5}, {"cosine", 2.4e-9}}) {
    const Schedule schedule = make(kind, 1000);
    const double alpha_bar = schedule.alpha_bar(999), square = 1.25;
    EXPECT_NEAR(alpha_bar, last, 0.02 * last) << kind;
    const double expected = 0.5 * (alpha_bar * square - 3 * alpha_bar - 3 * std::log1p(-alpha_bar));
    EXPECT_NEAR(prior_term(schedule, x0), expected, 1e-9 + 1e-6 * expected) << kind;
  }
  EXPECT_NEAR(prior_term(0, 1, x0), 0, 1e-12);
}

/// Gaussian data of 8 bits: mean 0, deviation 0.3, every element alike.
struct GaussianData {
  static constexpr double stddev = 0.3;
  static constexpr int64_t elements = 20000;
  std::vector<float> x0;
  double entropy = 0;  // nats an element, exact

  GaussianData() {
    const Bins bins;
    const double log_variance = 2 * std::log(stddev);
    std::vector<double> below(256);
    double sum = 0;
    for (int64_t k = 0; k < 256; ++k) {
      const double log_p = log_bin_gaussian(bins.value(k), 0, log_variance);
      entropy -= std::exp(log_p) * log_p;
      below[static_cast<size_t>(k)] = sum += std::exp(log_p);
    }
    // Evenly through the distribution: their own entropy is that of the data.
    for (int64_t i = 0; i < elements; ++i) {
      const double u = (static_cast<double>(i) + 0.5) / elements;
      const auto k = std::upper_bound(below.begin(), below.end(), u * sum) - below.begin();
      x0.push_back(static_cast<float>(bins.value(k)));
    }
  }
};

/// The bound with the optimal denoiser; the variance too is the best there is, or fixed.
double gaussian_bound(const GaussianData& data, const Schedule& schedule, bool best_variance) {
  const auto n = static_cast<size_t>(GaussianData::elements);
  double total = prior_term(schedule, data.x0);
  std::vector<float> eps(n), estimate(n);
  for (int64_t t = 0; t < schedule.T(); ++t) {
    fill_normal(std::span<float>(eps), {3, static_cast<uint64_t>(t), Purpose::test, 0});
    const double alpha = schedule.alpha(t), sigma = schedule.sigma(t);
    const double s2 = GaussianData::stddev * GaussianData::stddev,
                 spread = alpha * alpha * s2 + sigma * sigma;
    for (size_t i = 0; i < n; ++i)
      estimate[i] = static_cast<float>(alpha * s2 / spread * (alpha * data.x0[i] + sigma * eps[i]));
    ModelStep model{estimate, {}};
    std::vector<float> v;
    if (best_variance) {
      const LogVarianceRange range = log_variance_range(schedule, t);
      const double coef = schedule.posterior_mean_coef1()[static_cast<size_t>(t)];
      const double posterior = schedule.posterior_variance()[static_cast<size_t>(t)];
      const double variance = posterior + coef * coef * s2 * sigma * sigma / spread;
      v.assign(n, static_cast<float>(2 * (std::log(variance) - range.lo) / (range.hi - range.lo) - 1));
      EXPECT_GE(v[0], -1.001F) << t;
      EXPECT_LE(v[0], 1.001F) << t;
      model.variance = v;
    }
    total += step_term(schedule, t, data.x0, model);
  }
  return total / static_cast<double>(n);
}

TEST(Bound, OfGaussianDataIsItsEntropy) {
  const GaussianData data;
  const double best = gaussian_bound(data, make("cosine", 200), true);
  EXPECT_NEAR(best, data.entropy, 0.01 * data.entropy);
  EXPECT_GT(best, data.entropy - 0.003 * data.entropy);  // a bound, but for the draws
  const double fixed = gaussian_bound(data, make("cosine", 200), false);
  EXPECT_GT(fixed, best + 0.1);  // what a fixed variance costs, nearly all of it in the first steps
  EXPECT_NEAR(gaussian_bound(data, make("cosine", 20), true), data.entropy, 0.02 * data.entropy);
}

// Of continuous time: 1/2 int E|eps - eps_theta|^2 d(log SNR) between two levels, with the decoder and the
// prior at its ends (2107.00630, eq. 14 to 18); for Gaussian data E|eps - eps_theta|^2 is alpha^2 s^2 /
// (alpha^2 s^2 + sigma^2) an element.
TEST(Bound, OfContinuousTimeIsItsEntropyToo) {
  const GaussianData data;
  const auto n = static_cast<size_t>(GaussianData::elements);
  constexpr double lo = -12, hi = 12;  // log SNR
  constexpr int64_t levels = 400;
  std::vector<float> eps(n), predicted(n), z0(n);
  double total = 0;
  for (int64_t i = 0; i <= levels; ++i) {
    fill_normal(std::span<float>(eps), {4, static_cast<uint64_t>(i), Purpose::test, 0});
    const double log_snr = lo + (hi - lo) * (static_cast<double>(i) / levels);
    const double alpha = std::sqrt(1 / (1 + std::exp(-log_snr))),
                 sigma = std::sqrt(1 / (1 + std::exp(log_snr)));
    const double s2 = GaussianData::stddev * GaussianData::stddev,
                 spread = alpha * alpha * s2 + sigma * sigma;
    for (size_t j = 0; j < n; ++j) {
      const double z = alpha * data.x0[j] + sigma * eps[j];
      z0[j] = static_cast<float>(z);
      predicted[j] = static_cast<float>(sigma / spread * z);
    }
    const double share = i == 0 || i == levels ? 0.5 : 1;
    total += share * (hi - lo) / levels * continuous_term(eps, predicted);
    if (i == 0) total += prior_term(alpha, sigma, data.x0);
    if (i == levels) total += continuous_decoder(data.x0, z0, alpha, sigma);
  }
  EXPECT_NEAR(total / static_cast<double>(n), data.entropy, 0.01 * data.entropy);
}

TEST(Variance, LiesBetweenItsEnds) {
  const Schedule schedule = make("cosine", 100);
  for (const int64_t t : {1, 40, 99}) {
    const LogVarianceRange range = log_variance_range(schedule, t);
    EXPECT_NEAR(range.at(-1), fixed_log_variance(schedule, t, DdpmVariance::fixed_small), 1e-12);
    EXPECT_NEAR(range.at(1), fixed_log_variance(schedule, t, DdpmVariance::fixed_large), 1e-12);
    EXPECT_NEAR(range.at(0), 0.5 * (range.lo + range.hi), 1e-12);
    const LogVarianceRange same = log_variance_range(schedule.alpha_bar(t - 1), schedule.alpha_bar(t));
    EXPECT_NEAR(same.lo, range.lo, 1e-9);
    EXPECT_NEAR(same.hi, range.hi, 1e-9);
  }
  EXPECT_EQ(log_variance_range(schedule, 0).lo, log_variance_range(schedule, 1).lo);
  EXPECT_THROW(fixed_log_variance(schedule, 3, DdpmVariance::learned_range), Error);
  EXPECT_THROW(ddpm_variance(0.9, 0.8, DdpmVariance::learned_range), Error);
  EXPECT_THROW(log_variance_range(schedule, 100), Error);
}

TEST(LossAwareTimes, AreUniformUntilEveryTimestepHasItsHistory) {
  LossAwareTimes times(4);
  for (int64_t i = 0; i < 39; ++i) times.add(i % 4, static_cast<double>(1 + i % 4));
  EXPECT_FALSE(times.warm());
  for (int64_t t = 0; t < 4; ++t) EXPECT_NEAR(times.probability(t), 0.25, 1e-12);
  EXPECT_NEAR(times.draw(0.6).weight, 1, 1e-12);
  times.add(2, std::nan(""));  // no term
  EXPECT_FALSE(times.warm());
  times.add(3, 4);
  EXPECT_TRUE(times.warm());
  for (int64_t t = 0; t < 4; ++t) {
    const double expected = 0.999 * static_cast<double>(t + 1) / 10 + 0.001 / 4;
    EXPECT_NEAR(times.probability(t), expected, 1e-12);
  }
}

// Whatever the terms were, the weighted mean over draws is the mean over all timesteps.
TEST(LossAwareTimes, LeaveTheMeanWhereItIs) {
  LossAwareTimes times(50);
  for (int64_t i = 0; i < 600; ++i) times.add(i % 50, std::exp(-0.2 * static_cast<double>(i % 50)));
  const auto loss = [](int64_t t) { return std::exp(-0.2 * static_cast<double>(t)) + 0.01; };
  double weighted = 0, plain = 0, squares = 0;
  constexpr int64_t draws = 100000;
  for (int64_t i = 0; i < draws; ++i) {
    const auto drawn = times.draw((static_cast<double>(i) + 0.5) / draws);
    weighted += drawn.weight * loss(drawn.t) / draws;
    squares += std::pow(drawn.weight * loss(drawn.t), 2) / draws;
  }
  double spread = 0;
  for (int64_t t = 0; t < 50; ++t) plain += loss(t) / 50, spread += std::pow(loss(t), 2) / 50;
  EXPECT_NEAR(weighted, plain, 1e-3 * plain);
  EXPECT_LT(squares - plain * plain, 0.3 * (spread - plain * plain));  // and has less variance
}

TEST(LossAwareTimes, AreRestoredAsTheyWere) {
  LossAwareTimes times(7), again(7);
  for (int64_t i = 0; i < 200; ++i) times.add((i * 5) % 7, std::sin(static_cast<double>(i)));
  again.restore(times.terms(), times.seen());
  EXPECT_EQ(again.warm(), times.warm());
  for (int64_t t = 0; t < 7; ++t) EXPECT_EQ(again.probability(t), times.probability(t));
  times.add(3, 100);
  again.add(3, 100);
  EXPECT_EQ(again.terms(), times.terms());
  EXPECT_THROW(LossAwareTimes(8).restore(times.terms(), times.seen()), Error);
}

}  // namespace
}  // namespace langevin
