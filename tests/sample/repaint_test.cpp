// RePaint on two elements of Gaussian data, of which one is known: what the other should be is known too, and
// so is what the algorithm makes of it, all of its steps being linear.
#include "langevin/sample/repaint.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "langevin/sample/single_step.h"

namespace langevin {
namespace {

using A = HostArrayD;

constexpr double kCorrelation = 0.8, kGiven = 1.5;  // both elements ~ N(0, 1)

/// E[x_0 | x_t] = alpha C (alpha^2 C + sigma^2 I)^-1 x_t with C = (1 r; r 1): the rows of a symmetric matrix.
struct Gain {
  double own, other;
};
Gain gain(double alpha, double sigma) {
  const double r = kCorrelation, d = alpha * alpha + sigma * sigma, o = alpha * alpha * r;
  const double det = d * d - o * o;
  return {alpha * (d - r * o) / det, alpha * (r * d - o) / det};
}

Denoiser<A> denoiser(const Schedule& schedule) {
  return [schedule](const A& x, double t, const Cond<A>&) {
    const Level level = schedule.level(t);
    const Gain g = gain(level.alpha[0], level.sigma[0]);
    A x0 = x;
    for (int64_t i = 0; i < x.batch(); ++i) {
      x0.sample(i)[0] = g.own * x.sample(i)[0] + g.other * x.sample(i)[1];
      x0.sample(i)[1] = g.other * x.sample(i)[0] + g.own * x.sample(i)[1];
    }
    return Prediction<A>{x0, eps_from_x0(x, x0, level)};
  };
}

Known<A> known(int64_t n) {
  A x0({n, 2}, 0.0), mask({n, 2}, 0.0);
  for (int64_t i = 0; i < n; ++i) {
    x0.sample(i)[0] = kGiven;
    mask.sample(i)[1] = 1;
  }
  return {x0, mask};
}

SamplerConfig ddpm_config(int64_t steps) {
  SamplerConfig config;
  config.name = "ddpm";
  config.steps = steps;
  return config;
}

A fill_in(int64_t n, int64_t first, int64_t steps, const RepaintOptions& options) {
  const Schedule schedule;
  const SamplerConfig config = ddpm_config(steps);
  const PointGrid grid = sampler_points(config, schedule);
  SampleContext<A> context{5, static_cast<uint64_t>(first), {}};
  return repaint(denoiser(schedule), single_step<A>(config, discrete_path(schedule)),
                 initial_noise(A({n, 2}), 5, static_cast<uint64_t>(first)), grid, known(n), options,
                 repaint_calls(config, grid, options), context);
}

struct Moments {
  double mean, variance;
};

/// Of the unknown element under exact arithmetic: the mean and covariance of (known, unknown) through every
/// step of the walk.
Moments propagated(int64_t steps, const RepaintOptions& options) {
  const Schedule schedule;
  const PointGrid grid = sampler_points(ddpm_config(steps), schedule);
  const std::vector<int64_t> walk = repaint_walk(steps, options);
  double mk = 0, mu = 0, vkk = 1, vku = 0, vuu = 1;
  for (size_t i = 0; i + 1 < walk.size(); ++i) {
    const PathPoint &p = grid[static_cast<size_t>(walk[i])], &q = grid[static_cast<size_t>(walk[i + 1])];
    if (walk[i + 1] < walk[i]) {
      const double ratio = q.alpha / p.alpha,
                   added = 1 - q.alpha * q.alpha - ratio * ratio * (1 - p.alpha * p.alpha);
      mk *= ratio, mu *= ratio, vku *= ratio * ratio;
      vkk = ratio * ratio * vkk + added, vuu = ratio * ratio * vuu + added;
      continue;
    }
    const Gain g = gain(p.alpha, p.sigma);
    const PosteriorCoefs c = posterior_between(q.alpha * q.alpha, p.alpha * p.alpha);
    const double own = c.x0 * g.own + c.x_t, other = c.x0 * g.other;
    mu = other * mk + own * mu;
    vuu = other * other * vkk + 2 * other * own * vku + own * own * vuu + (q.sigma > 0 ? c.variance : 0);
    mk = q.alpha * kGiven, vkk = q.sigma * q.sigma, vku = 0;
  }
  return {mu, vuu};
}

Moments measured(const A& x) {
  const auto n = static_cast<double>(x.batch());
  double mean = 0, square = 0;
  for (int64_t i = 0; i < x.batch(); ++i) mean += x.sample(i)[1] / n;
  for (int64_t i = 0; i < x.batch(); ++i) square += std::pow(x.sample(i)[1] - mean, 2) / n;
  return {mean, square};
}

// The mean of n draws of variance v errs by sqrt(v / n), their variance by v sqrt(2 / n): 4.5 times that.
void expect_moments(const A& x, const Moments& want) {
  const auto n = static_cast<double>(x.batch());
  const Moments got = measured(x);
  EXPECT_NEAR(got.mean, want.mean, 4.5 * std::sqrt(want.variance / n));
  EXPECT_NEAR(got.variance, want.variance, 4.5 * want.variance * std::sqrt(2 / n));
}

TEST(Repaint, IsTheAlgorithm) {
  for (const RepaintOptions& options : {RepaintOptions{1, 1}, {3, 1}, {4, 5}}) {
    const A x = fill_in(3000, 0, 50, options);
    for (int64_t i = 0; i < x.batch(); ++i) ASSERT_EQ(x.sample(i)[0], kGiven);
    expect_moments(x, propagated(50, options));
  }
}

// What is filled in should be the conditional distribution N(r k, 1 - r^2). Without resampling it knows too
// little of what is given; with the paper's it is nearly that.
TEST(Repaint, ResamplingBringsTheConditionalDistribution) {
  const double mean = kCorrelation * kGiven, variance = 1 - kCorrelation * kCorrelation;
  const Moments once = propagated(1000, {1, 10}), often = propagated(1000, {10, 10}),
                most = propagated(1000, {60, 10});
  EXPECT_GT(std::abs(once.mean - mean), 0.4);
  EXPECT_NEAR(often.mean, mean, 0.05);
  EXPECT_NEAR(often.variance, variance, 0.01);
  EXPECT_NEAR(most.mean, mean, 0.02);
}

TEST(RepaintSlow, SamplesAreTheConditionalDistribution) {
  const A x = fill_in(20000, 0, 1000, {10, 10});
  expect_moments(x, propagated(1000, {10, 10}));
  const Moments got = measured(x);
  EXPECT_NEAR(got.mean, kCorrelation * kGiven, 0.06);
  EXPECT_NEAR(got.variance, 1 - kCorrelation * kCorrelation, 0.03);
}

TEST(Repaint, WalksAsThePaperSays) {
  // The paper's own schedule for t_T = 10, jump_length 3, n_sample 2, in points counted from the noise.
  EXPECT_EQ(repaint_walk(10, {2, 3}),
            (std::vector<int64_t>{0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 3, 4, 5, 6, 7, 8, 9, 6, 7, 8, 9, 10}));
  EXPECT_EQ(repaint_walk(3, {1, 2}), (std::vector<int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(repaint_walk(3, {3, 5}), (std::vector<int64_t>{0, 1, 2, 3}));  // no room to leap
  EXPECT_EQ(repaint_walk(3, {2, 1}), (std::vector<int64_t>{0, 1, 0, 1, 2, 1, 2, 3}));
  EXPECT_THROW(repaint_walk(10, {0, 1}), Error);
  EXPECT_THROW(repaint_walk(10, {1, 0}), Error);
}

TEST(Repaint, ASampleIsTheSameWhateverItsBatch) {
  const A all = fill_in(5, 0, 20, {3, 2}), part = fill_in(2, 3, 20, {3, 2});
  for (int64_t i = 0; i < 2; ++i) EXPECT_EQ(part.sample(i)[1], all.sample(3 + i)[1]);
  EXPECT_NE(all.sample(0)[1], all.sample(1)[1]);
}

TEST(Repaint, EveryMemorylessSamplerWalksIt) {
  const Schedule schedule;
  for (const SamplerInfo& info : sampler_infos()) {
    SamplerConfig config;
    config.name = std::string(info.name);
    config.steps = 25;
    if (!info.alone) {
      EXPECT_THROW(single_step<A>(config, discrete_path(schedule)), Error) << info.name;
      continue;
    }
    const PointGrid grid = sampler_points(config, schedule);
    const auto walk = [&](const RepaintOptions& options, int64_t n, uint64_t first) {
      int64_t calls = 0;
      SampleContext<A> context{5, first, {}};
      const int64_t expected = repaint_calls(config, grid, options);
      context.observer = [&](const StepInfo<A>& step) {
        EXPECT_EQ(step.step, calls++);
        EXPECT_EQ(step.steps, expected);
        return true;
      };
      const A x = repaint(denoiser(schedule), single_step<A>(config, discrete_path(schedule)),
                          initial_noise(A({n, 2}), 5, first), grid, known(n), options, expected, context);
      EXPECT_EQ(calls, expected) << info.name;
      EXPECT_EQ(x.sample(1)[0], kGiven);
      return x;
    };
    const double mean = kCorrelation * kGiven;
    const Moments once = measured(walk({1, 2}, 400, 0)), often = measured(walk({6, 2}, 400, 0));
    // Each leap brings the two elements closer together; what the algorithm itself leaves is in
    // IsTheAlgorithm.
    EXPECT_LT(std::abs(often.mean - mean), 0.6 * std::abs(once.mean - mean)) << info.name;
    const A part = walk({3, 2}, 2, 3), all = walk({3, 2}, 5, 0);
    for (int64_t i = 0; i < 2; ++i) EXPECT_EQ(part.sample(i)[1], all.sample(3 + i)[1]) << info.name;
  }
}

TEST(Repaint, StopsWhenAskedTo) {
  const Schedule schedule;
  const SamplerConfig config = ddpm_config(10);
  const PointGrid grid = sampler_points(config, schedule);
  int64_t calls = 0;
  SampleContext<A> context{5, 0, {}};
  context.observer = [&](const StepInfo<A>&) { return ++calls < 4; };
  repaint(denoiser(schedule), single_step<A>(config, discrete_path(schedule)), A({1, 2}, 0.3), grid, known(1),
          {3, 2}, repaint_calls(config, grid, {3, 2}), context);
  EXPECT_EQ(calls, 4);
}

TEST(Repaint, RefusesShapesThatDiffer) {
  const Schedule schedule;
  const SamplerConfig config = ddpm_config(10);
  const PointGrid grid = sampler_points(config, schedule);
  EXPECT_THROW(repaint(denoiser(schedule), single_step<A>(config, discrete_path(schedule)), A({2, 2}), grid,
                       known(1), {1, 1}, 10),
               Error);
}

}  // namespace
}  // namespace langevin
