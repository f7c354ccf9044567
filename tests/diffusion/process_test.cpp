#include "langevin/diffusion/process.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "langevin/diffusion/prediction.h"
#include "langevin/diffusion/training.h"

namespace langevin {
namespace {

Schedule make(const std::string& kind, int64_t T, bool zero_snr = false) {
  ScheduleConfig config;
  config.kind = kind;
  config.timesteps = T;
  config.zero_terminal_snr = zero_snr;
  return Schedule(config);
}

template <class T>
HostArray<T> noise(const Shape& shape, uint64_t seed) {
  return noise_like(HostArray<T>(shape), NoiseKey{seed, 0, Purpose::test, 0});
}

double density(double x, double mean, double variance) {
  return std::exp(-0.5 * (x - mean) * (x - mean) / variance) / std::sqrt(variance);
}

struct Moments {
  double mean = 0, variance = 0;
};

Moments moments(std::span<const double> x) {
  Moments m;
  for (double value : x) m.mean += value / static_cast<double>(x.size());
  for (double value : x) m.variance += (value - m.mean) * (value - m.mean) / static_cast<double>(x.size());
  return m;
}

// Bayes on a grid: mean and variance of the density proportional to prior(x) likelihood(x).
template <class Prior, class Likelihood>
Moments bayes(double centre, double reach, Prior prior, Likelihood likelihood) {
  constexpr int kPoints = 40001;
  double mass = 0, first = 0, second = 0;
  for (int i = 0; i < kPoints; ++i) {
    const double d = reach * (2.0 * i / (kPoints - 1) - 1);
    const double w = prior(centre + d) * likelihood(centre + d);
    mass += w;
    first += w * d;
    second += w * d * d;
  }
  const double shift = first / mass;
  return {centre + shift, second / mass - shift * shift};
}

template <class A>
class Process : public testing::Test {};
using Arrays = testing::Types<HostArrayF, HostArrayD>;
TYPED_TEST_SUITE(Process, Arrays);

TEST(ProcessMarginal, CoefficientsOfSingleStepsAreTheClosedForm) {
  for (const char* kind : {"linear", "scaled_linear", "cosine", "sigmoid"}) {
    for (const bool zero_snr : {false, true}) {
      const Schedule schedule = make(kind, 1000, zero_snr);
      // Follow x_0 = 1 (signal) through q_step with no noise, and the variance by its own recursion.
      HostArrayD signal({1, 1}, 1.0);
      const HostArrayD zero({1, 1}, 0.0), one({1, 1}, 1.0);
      double variance = 0;
      for (int64_t t = 0; t < schedule.T(); ++t) {
        const std::vector<int64_t> now{t};
        signal = q_step(schedule, signal, now, zero);
        const double keep = q_step(schedule, one, now, zero)[0], add = q_step(schedule, zero, now, one)[0];
        variance = keep * keep * variance + add * add;
        ASSERT_NEAR(signal[0], q_sample(schedule, one, now, zero)[0], 1e-12) << kind << " " << t;
        ASSERT_NEAR(variance, std::pow(q_sample(schedule, zero, now, one)[0], 2), 1e-12) << kind << " " << t;
      }
    }
  }
}

TEST(ProcessMarginal, SingleStepsSpreadAsTheClosedForm) {
  const Schedule schedule = make("cosine", 20);
  constexpr int64_t kDraws = 50000;
  HostArrayD x({1, kDraws}, 0.8);
  for (int64_t t = 0; t <= 12; ++t) {
    x = q_step(schedule, x, std::vector<int64_t>{t},
               noise<double>({1, kDraws}, 100 + static_cast<uint64_t>(t)));
  }
  const Moments m = moments(x.data());
  const double alpha = schedule.alpha(12), sigma = schedule.sigma(12);
  EXPECT_NEAR(m.mean, alpha * 0.8, 4 * sigma / std::sqrt(kDraws));
  EXPECT_NEAR(m.variance / (sigma * sigma), 1, 4 * std::sqrt(2.0 / kDraws));
}

TYPED_TEST(Process, TakesEachSamplesOwnTime) {
  const Schedule schedule = make("linear", 1000);
  using T = std::remove_cvref_t<decltype(TypeParam()[0])>;
  const TypeParam x0 = noise<T>({3, 2, 5}, 1), eps = noise<T>({3, 2, 5}, 2);
  const std::vector<int64_t> t{0, 999, 400};
  const TypeParam x_t = q_sample(schedule, x0, t, eps);
  for (int64_t i = 0; i < 3; ++i) {
    const double alpha = schedule.alpha(t[static_cast<size_t>(i)]),
                 sigma = schedule.sigma(t[static_cast<size_t>(i)]);
    for (size_t j = 0; j < 10; ++j) {
      EXPECT_NEAR(x_t.sample(i)[j], alpha * x0.sample(i)[j] + sigma * eps.sample(i)[j], 1e-6);
    }
  }
  EXPECT_THROW(q_sample(schedule, x0, std::vector<int64_t>{0, 1}, eps), Error);
  EXPECT_THROW(q_sample(schedule, x0, std::vector<int64_t>{0, 1, 1000}, eps), Error);
  EXPECT_THROW(q_step(schedule, x0, std::vector<int64_t>{0, 1, -1}, eps), Error);
}

TEST(Posterior, IsBayesRuleOnAGrid) {
  const double x0 = 0.6;
  for (const bool zero_snr : {false, true}) {
    const Schedule schedule = make("cosine", 50, zero_snr);
    for (const int64_t t : {1, 2, 10, 30, 48, 49}) {
      for (const double z : {-1.3, 0.2}) {
        const double x_t = schedule.alpha(t) * x0 + schedule.sigma(t) * z;
        const double alpha_s = schedule.alpha(t - 1), var_s = std::pow(schedule.sigma(t - 1), 2);
        const double beta = schedule.betas()[static_cast<size_t>(t)];
        const Moments truth = bayes(
            alpha_s * x0, 12 * std::sqrt(var_s), [&](double x) { return density(x, alpha_s * x0, var_s); },
            [&](double x) { return density(x_t, std::sqrt(1 - beta) * x, beta); });
        const auto q =
            q_posterior(schedule, HostArrayD({1, 1}, x0), HostArrayD({1, 1}, x_t), std::vector<int64_t>{t});
        EXPECT_NEAR(q.mean[0], truth.mean, 1e-8) << t;
        EXPECT_NEAR(q.variance[0], truth.variance, 1e-8) << t;
        EXPECT_NEAR(q.log_variance[0], std::log(truth.variance), 1e-6) << t;
      }
    }
  }
}

TEST(Posterior, BetweenAnyTwoLevelsIsBayesRuleOnAGrid) {
  const Schedule schedule = make("linear", 1000);
  const double x0 = -0.4, x_t = 0.9;
  for (const auto& [s, t] : {std::pair<int64_t, int64_t>{0, 999}, {100, 300}, {500, 501}, {700, 999}}) {
    const double bar_s = schedule.alpha_bar(s), bar_t = schedule.alpha_bar(t);
    const double alpha_ts = std::sqrt(bar_t / bar_s), var_ts = 1 - bar_t / bar_s;
    const Moments truth = bayes(
        std::sqrt(bar_s) * x0, 12 * std::sqrt(1 - bar_s),
        [&](double x) { return density(x, std::sqrt(bar_s) * x0, 1 - bar_s); },
        [&](double x) { return density(x_t, alpha_ts * x, var_ts); });
    const PosteriorCoefs q = posterior_between(bar_s, bar_t);
    EXPECT_NEAR(q.x0 * x0 + q.x_t * x_t, truth.mean, 1e-8) << s << " " << t;
    EXPECT_NEAR(q.variance, truth.variance, 1e-8) << s << " " << t;
  }
  EXPECT_THROW(posterior_between(0.5, 0.5), Error);
  EXPECT_THROW(posterior_between(1.1, 0.5), Error);
}

TEST(Posterior, BetweenNeighboursIsTheTable) {
  for (const bool zero_snr : {false, true}) {
    const Schedule schedule = make("linear", 1000, zero_snr);
    for (int64_t t = 0; t < 1000; ++t) {
      const PosteriorCoefs q = posterior_between(schedule.alpha_bar(t - 1), schedule.alpha_bar(t));
      const auto i = static_cast<size_t>(t);
      ASSERT_NEAR(q.x0, schedule.posterior_mean_coef1()[i], 1e-11) << t;
      ASSERT_NEAR(q.x_t, schedule.posterior_mean_coef2()[i], 1e-11) << t;
      ASSERT_NEAR(q.variance, schedule.posterior_variance()[i], 1e-11) << t;
    }
  }
}

TYPED_TEST(Process, MuThetaIsThePosteriorMeanAtTheImpliedX0) {
  using T = std::remove_cvref_t<decltype(TypeParam()[0])>;
  for (const bool zero_snr : {false, true}) {
    const Schedule schedule = make("linear", 100, zero_snr);
    const TypeParam x_t = noise<T>({4, 7}, 3), eps = noise<T>({4, 7}, 4);
    const std::vector<int64_t> t{0, 20, 98, 99};
    const TypeParam mu = mu_theta(schedule, x_t, eps, t);
    const TypeParam x0 = x0_from_eps(x_t, eps, schedule.level(t));
    const TypeParam mean = q_posterior(schedule, x0, x_t, t).mean;
    for (int64_t j = 0; j < mu.size(); ++j) EXPECT_NEAR(mu[j], mean[j], sizeof(T) == 4 ? 1e-5 : 1e-11);
    if (zero_snr) {
      EXPECT_EQ(mu.sample(3)[0], 0);
    }
  }
}

// add_noise and get_velocity of diffusers 0.21: element by element, so a few elements of each sample are
// enough.
TYPED_TEST(Process, AddsNoiseAsDiffusersDoes) {
  const auto golden =
      nlohmann::json::parse(std::ifstream(std::string(LANGEVIN_GOLDEN) + "/diffusion_schedules.json"))
          .at("add_noise");
  using T = std::remove_cvref_t<decltype(TypeParam()[0])>;
  const auto array = [&](const char* key) {
    return TypeParam({2, 8}, golden.at(key).template get<std::vector<T>>());
  };
  const auto t = golden.at("t").get<std::vector<int64_t>>();
  const Target target({}, ScheduleConfig{}, PredictionType::v_prediction);
  std::vector<TrainingLevel> levels;
  for (int64_t index : t) levels.push_back(training_level(target, static_cast<double>(index)));
  const auto pair = training_pair<TypeParam>(levels, array("x_0"), array("noise"));
  const auto x_t = q_sample(*target.schedule(), array("x_0"), t, array("noise"));
  for (int64_t j = 0; j < 16; ++j) {
    EXPECT_NEAR(x_t[j], array("x_t")[j], 3e-6);
    EXPECT_NEAR(pair.input[j], array("x_t")[j], 3e-6);
    EXPECT_NEAR(pair.answer[j], array("v")[j], 3e-6);
  }
}

}  // namespace
}  // namespace langevin
