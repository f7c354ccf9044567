// Rescaled, limited and negative guidance (guidance proper: wrappers_test.cpp).
#include "langevin/sample/guidance.h"

#include <gtest/gtest.h>

#include <cmath>

namespace langevin {
namespace {

using A = HostArrayD;

/// x0 of a pattern times (label + 1), 0.5 without labels; eps consistent with it.
Denoiser<A> labelled(const Schedule& schedule, int* calls) {
  return [schedule, calls](const A& x_t, double t, const Cond<A>& cond) {
    ++*calls;
    A x0 = x_t;
    for (int64_t i = 0; i < x0.batch(); ++i) {
      const double label =
          cond.class_labels.empty() ? -0.5 : static_cast<double>(cond.class_labels[static_cast<size_t>(i)]);
      for (size_t j = 0; j < 3; ++j) x0.sample(i)[j] = (label + 1) * (0.2 + 0.3 * static_cast<double>(j));
    }
    return Prediction<A>{x0, eps_from_x0(x_t, x0, schedule.level(t))};
  };
}

GuidanceLevels levels(const Schedule& schedule, PredictionType type = PredictionType::epsilon) {
  return {[schedule](double t) { return schedule.level(t); }, type};
}

double stddev(std::span<const double> x) {
  double mean = 0, square = 0;
  for (double value : x) mean += value / static_cast<double>(x.size());
  for (double value : x) square += (value - mean) * (value - mean) / static_cast<double>(x.size());
  return std::sqrt(square);
}

TEST(GuidanceRescale, StddevIsPerSample) {
  const A x({2, 4}, {1, 2, 3, 4, -7, -7, -7, 5});
  const std::vector<double> s = sample_stddev(x);
  EXPECT_NEAR(s[0], stddev(x.sample(0)), 1e-12);
  EXPECT_NEAR(s[1], stddev(x.sample(1)), 1e-12);
  EXPECT_NEAR(sample_stddev(A({1, 3}, 4.0))[0], 0, 1e-6);
  const A none({2, 4}, 0.0);
  EXPECT_EQ(rescale_guided(none, x, 1.0)[0], 0);  // nothing to scale
}

// 2305.08891, eqs. 15 and 16.
TEST(GuidanceRescale, BringsTheDeviationBack) {
  const Schedule schedule;
  const A x({2, 3}, {0.3, -0.2, 1.1, 0.7, 0.1, -0.9});
  const Cond<A> cond{{1, 2}};
  for (const std::string& name : prediction_types()) {
    const PredictionType type = prediction_type(name);
    for (const double phi : {0.0, 0.7, 1.0}) {
      int calls = 0;
      const auto d = labelled(schedule, &calls);
      GuidanceConfig config{.scale = 4};
      const auto plain = guided_denoiser(d, config)(x, 300, cond);
      config.rescale = phi;
      const auto p = guided_denoiser(d, config, levels(schedule, type))(x, 300, cond);
      const Level level = schedule.level(300.0);
      const auto of = [&](const Prediction<A>& q) { return prediction_target(q.x0, q.eps, level, type); };
      const A got = of(p), guided = of(plain), wanted = of(d(x, 300, cond));
      for (int64_t i = 0; i < 2; ++i) {
        const double target = phi * stddev(wanted.sample(i)) + (1 - phi) * stddev(guided.sample(i));
        EXPECT_NEAR(stddev(got.sample(i)), target, 1e-9) << name << phi;
        EXPECT_NEAR(got.sample(i)[0] / got.sample(i)[1], guided.sample(i)[0] / guided.sample(i)[1], 1e-9);
        EXPECT_NEAR(level.alpha[0] * p.x0.sample(i)[0] + level.sigma[0] * p.eps.sample(i)[0], x.sample(i)[0],
                    1e-9);
      }
    }
  }
}

TEST(GuidanceInterval, GuidesWithinItOnly) {
  const Schedule schedule;
  const A x({1, 3}, 0.4);
  const Cond<A> cond{{1}};
  int calls = 0;
  const auto d = labelled(schedule, &calls);
  const auto rho = [&](int64_t t) { return schedule.sigma(t) / schedule.alpha(t); };
  const GuidanceConfig config{.scale = 3, .interval_lo = rho(200), .interval_hi = rho(600)};
  const auto limited = guided_denoiser(d, config, levels(schedule));
  for (const int64_t t : {0, 199, 200, 201, 400, 600, 601, 999}) {
    calls = 0;
    const double got = limited(x, static_cast<double>(t), cond).x0[0];
    const bool within = t > 200 && t <= 600;
    EXPECT_EQ(calls, within ? 2 : 1) << t;
    EXPECT_NEAR(got, within ? 0.2 * (0.5 + 3 * 1.5) : 0.2 * 2, 1e-12) << t;
  }
}

TEST(GuidanceNegative, PushesAwayFromTheConditionGiven) {
  const Schedule schedule;
  const A x({2, 3}, 0.4);
  int calls = 0;
  const auto d = labelled(schedule, &calls);
  const auto p = guided_denoiser(d, {.scale = 2, .null_label = 9}, {}, Cond<A>{{5, 0}})(x, 300, {{1, 1}});
  EXPECT_NEAR(p.x0.sample(0)[0], 0.2 * (6 + 2 * (2 - 6)), 1e-12);
  EXPECT_NEAR(p.x0.sample(1)[0], 0.2 * (1 + 2 * (2 - 1)), 1e-12);
}

TEST(Guidance, RefusesWhatDoesNotFit) {
  const Schedule schedule;
  int calls = 0;
  const auto make = [&](const GuidanceConfig& config) {
    return guided_denoiser(labelled(schedule, &calls), config, levels(schedule));
  };
  EXPECT_THROW(make({.scale = std::nan("")}), Error);
  EXPECT_THROW(make({.rescale = 1.5}), Error);
  EXPECT_THROW(make({.interval_lo = 3, .interval_hi = 2}), Error);
  EXPECT_THROW(make({.interval_lo = -1}), Error);
  EXPECT_THROW(guided_denoiser(labelled(schedule, &calls), {.scale = 2, .rescale = 0.5}), Error);
  EXPECT_THROW(guided_denoiser(labelled(schedule, &calls), {.scale = 2, .interval_hi = 3}), Error);
}

}  // namespace
}  // namespace langevin
