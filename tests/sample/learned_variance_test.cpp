// Networks that say the variance of a reverse step themselves.
#include <gtest/gtest.h>

#include <cmath>

#include "langevin/sample/guidance.h"
#include "langevin/sample/sampler.h"

namespace langevin {
namespace {

constexpr int64_t kChannels = 2;

/// A network whose output's second half is `v` in every element; conditional ones say 0.1 more of class 1.
Network<HostArrayD> network_saying(double v) {
  return [v](const HostArrayD& x, const std::vector<double>& t, const Cond<HostArrayD>& cond) {
    const double more = !cond.class_labels.empty() && cond.class_labels[0] == 1 ? 0.1 : 0;
    const HostArrayD eps = lincomb(0.3 + 1e-4 * t[0] + more, x);
    const HostArrayD ones = clamp(lincomb(0.0, x), 1.0, 1.0);
    return join_channels(eps, lincomb(v + more, ones));
  };
}

HostArrayD run(const std::string& variance, double v, int64_t steps, uint64_t seed = 3) {
  const Schedule schedule;
  const auto denoiser = make_denoiser<HostArrayD>(network_saying(v), schedule, PredictionType::epsilon);
  SamplerConfig config;
  config.name = "ddpm";
  config.steps = steps;
  config.variance = variance;
  SampleContext<HostArrayD> context;
  context.seed = seed;
  return run_sampler(config, denoiser, schedule, initial_noise(HostArrayD({3, kChannels, 4, 5}), seed, 0),
                     context);
}

void expect_near(const HostArrayD& a, const HostArrayD& b, double tolerance) {
  ASSERT_EQ(a.shape(), b.shape());
  for (int64_t j = 0; j < a.size(); ++j) ASSERT_NEAR(a[j], b[j], tolerance * (1 + std::abs(b[j])));
}

// At its ends the learned variance is one of the fixed ones, on every grid.
TEST(LearnedVariance, MeetsTheFixedOnesAtItsEnds) {
  for (const int64_t steps : {1000, 40, 7, 1}) {
    expect_near(run("learned_range", -1, steps), run("fixed_small", 0, steps), 1e-9);
    expect_near(run("learned_range", 1, steps), run("fixed_large", 0, steps), 1e-9);
  }
  const HostArrayD between = run("learned_range", 0.2, 20), small = run("fixed_small", 0, 20);
  double distance = 0;
  for (int64_t j = 0; j < small.size(); ++j) distance += std::abs(between[j] - small[j]);
  EXPECT_GT(distance, 0.01);
}

TEST(LearnedVariance, OtherSamplersLeaveItAlone) {
  const Schedule schedule;
  const auto with = make_denoiser<HostArrayD>(network_saying(0.5), schedule, PredictionType::epsilon);
  const auto without =
      make_denoiser<HostArrayD>([](const HostArrayD& x, const std::vector<double>& t,
                                   const Cond<HostArrayD>&) { return lincomb(0.3 + 1e-4 * t[0], x); },
                                schedule, PredictionType::epsilon);
  for (const std::string name : {"ddim", "dpmsolver++", "euler", "unipc"}) {
    SamplerConfig config;
    config.name = name;
    config.steps = 12;
    const HostArrayD x_T = initial_noise(HostArrayD({2, kChannels, 4, 5}), 1, 0);
    expect_near(run_sampler(config, with, schedule, x_T), run_sampler(config, without, schedule, x_T), 1e-12);
  }
  SamplerConfig ddpm;
  ddpm.name = "ddpm";
  ddpm.steps = 5;
  ddpm.variance = "learned_range";
  EXPECT_THROW(run_sampler(ddpm, without, schedule, initial_noise(HostArrayD({2, kChannels, 4, 5}), 1, 0)),
               Error);
}

// What is guided is the prediction; the variance is that of the class asked for.
TEST(LearnedVariance, GuidanceKeepsThatOfTheClass) {
  const Schedule schedule;
  const auto denoiser = make_denoiser<HostArrayD>(network_saying(0.2), schedule, PredictionType::epsilon);
  GuidanceConfig config;
  config.scale = 3;
  config.null_label = 0;
  for (const double rescale : {0.0, 0.7}) {
    config.rescale = rescale;
    const auto guided = guided_denoiser(
        denoiser, config, {[&](double t) { return schedule.level(t); }, PredictionType::epsilon});
    Cond<HostArrayD> cond;
    cond.class_labels = {1, 1};
    const HostArrayD x = initial_noise(HostArrayD({2, kChannels, 4, 5}), 2, 0);
    const auto prediction = guided(x, 400, cond);
    ASSERT_TRUE(prediction.variance.has_value());
    for (int64_t j = 0; j < x.size(); ++j) EXPECT_NEAR((*prediction.variance)[j], 0.3, 1e-12);
    if (rescale == 0) {
      for (int64_t j = 0; j < x.size(); ++j) EXPECT_NEAR(prediction.eps[j], (0.34 + 3 * 0.1) * x[j], 1e-9);
    }
  }
}

TEST(Channels, AreCutAndJoined) {
  HostArrayD x({2, 3, 2});
  for (int64_t j = 0; j < x.size(); ++j) x[j] = static_cast<double>(j);
  const HostArrayD first = channels(x, 0, 1), rest = channels(x, 1, 2);
  EXPECT_EQ(first.shape(), (Shape{2, 1, 2}));
  EXPECT_EQ(rest[0], 2);
  EXPECT_EQ(rest[4], 8);
  const HostArrayD back = join_channels(first, rest);
  EXPECT_TRUE(std::ranges::equal(back.data(), x.data()));
  EXPECT_THROW(channels(x, 2, 2), Error);
  EXPECT_THROW(join_channels(x, HostArrayD({2, 3, 3})), Error);
  const Cond<HostArrayD> none;
  EXPECT_THROW(split_output(HostArrayD({2, 5, 2}), Shape{2, 3, 2}), Error);
}

}  // namespace
}  // namespace langevin
