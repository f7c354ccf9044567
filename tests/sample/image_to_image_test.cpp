// Walks that begin part of the way down, from a noised picture.
#include "langevin/sample/image_to_image.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "langevin/sample/sampler.h"

namespace langevin {
namespace {

using A = HostArrayD;

SamplerConfig named(const std::string& name, int64_t steps, double strength,
                    const std::string& spacing = "trailing") {
  SamplerConfig config;
  config.name = name;
  config.steps = steps;
  config.strength = strength;
  config.spacing = spacing;
  return config;
}

std::vector<double> times(const SamplerConfig& config) {
  std::vector<double> out;
  for (const PathPoint& p : sampler_points(config, Schedule())) out.push_back(p.t);
  return out;
}

TEST(Strength, BeginsAtThatShareOfTheTimesteps) {
  const std::vector<double> half{499, 399, 299, 199, 99, -1};
  EXPECT_EQ(times(named("euler", 10, 0.5)), half);
  EXPECT_EQ(times(named("ddim", 10, 0.5)), half);
  // Between two points of the grid it begins between them; t = strength T - 1.
  EXPECT_EQ(times(named("euler", 10, 0.25)), (std::vector<double>{249, 199, 99, -1}));
  EXPECT_EQ(times(named("euler", 10, 0.05)), (std::vector<double>{49, -1}));
  EXPECT_EQ(times(named("euler", 10, 0.0)), (std::vector<double>{-1}));
  EXPECT_EQ(times(named("euler", 10, 0.0005)), (std::vector<double>{-1}));  // below the cleanest timestep
  EXPECT_EQ(times(named("euler", 10, 1)).front(), 999);
  EXPECT_EQ(times(named("euler", 10, 0.999, "leading")).front(), 900);
  // Whatever the spacing, the same strength is the same noise.
  for (const std::string spacing : {"karras", "exponential", "log_snr", "linspace", "uniform"})
    EXPECT_NEAR(times(named("euler", 12, 0.4, spacing)).front(), 399, 1e-9) << spacing;
  // diffusers leaves out whole steps: int(10 * 0.25) = 2 remain.
  SamplerConfig theirs = named("ddim", 10, 0.25);
  theirs.compat_diffusers = true;
  EXPECT_EQ(times(theirs), (std::vector<double>{199, 99, -1}));
  // pndm's methods need an even grid, lcm its own timesteps.
  EXPECT_EQ(times(named("pndm", 10, 0.52)), half);
  EXPECT_EQ(times(named("lcm", 4, 0.6)).size(), 3u);
}

TEST(Strength, IsRefusedOutOfRange) {
  for (const double bad : {-0.1, 1.1, std::nan("")})
    EXPECT_THROW(check_sampler(named("euler", 10, bad), 1000), Error) << bad;
}

TEST(Strength, OnOtherPathsToo) {
  EXPECT_DOUBLE_EQ(strength_time(flow_path(), 0.3), 0.3);
  const NoisePath edm = edm_path();
  EXPECT_DOUBLE_EQ(strength_time(edm, 1), 80);
  EXPECT_EQ(strength_time(edm, 0), 0);
  const PointGrid whole = sampler_points(named("heun", 40, 1, "karras"), edm),
                  half = sampler_points(named("heun", 40, 0.5, "karras"), edm);
  // Half of EDM's grid: even in sigma^(1/7), so 80 / 2^7; the grid's own points from there on.
  const double sigma = 80.0 / 128;
  EXPECT_NEAR(half.front().sigma, sigma, 1e-12);
  const auto below = std::count_if(whole.begin(), whole.end(), [&](auto& p) { return p.sigma <= sigma; });
  ASSERT_EQ(static_cast<std::ptrdiff_t>(half.size()), below + 1);
  for (size_t i = 1; i < half.size(); ++i)
    EXPECT_EQ(half[half.size() - i].sigma, whole[whole.size() - i].sigma) << i;
}

// From x_0 noised to a level, each sampler's walk is the upper part of nothing and the lower part of the
// whole walk: fed the whole walk's state at that level, it ends where that ends.
TEST(Strength, IsTheLowerPartOfTheWalk) {
  const Schedule schedule;
  const auto denoiser = gaussian_denoiser<A>(schedule, 0.3, 0.5);
  const A x_T = initial_noise(A({2, 3}), 1, 0);
  for (const char* name : {"ddim", "euler", "heun", "kdpm2", "dpmsolver++_single", "flow_euler"}) {
    A middle = x_T;
    SampleContext<A> context;
    context.observer = [&](const StepInfo<A>& info) {
      if (info.t == 499) middle = info.x_t;
      return true;
    };
    const A whole = run_sampler(named(name, 10, 1), denoiser, schedule, x_T, context);
    const A lower = run_sampler(named(name, 10, 0.5), denoiser, schedule, middle);
    for (int64_t i = 0; i < whole.size(); ++i) EXPECT_NEAR(lower[i], whole[i], 1e-12) << name;
  }
}

TEST(Strength, CallsAreCounted) {
  const Schedule schedule;
  const auto denoiser = gaussian_denoiser<A>(schedule, 0.3, 0.5);
  for (const std::string& name : sampler_names()) {
    for (const double strength : {0.0, 0.33, 0.6, 1.0}) {
      SamplerConfig config = named(name, name == "lcm" ? 5 : 12, strength);
      int64_t calls = 0;
      const int64_t expected = sampler_calls(config, sampler_points(config, schedule));
      SampleContext<A> context;
      context.observer = [&](const StepInfo<A>& info) {
        EXPECT_EQ(info.steps, expected) << name << strength;
        ++calls;
        return true;
      };
      const A x({1, 2}, 0.5), end = run_sampler(config, denoiser, schedule, x, context);
      EXPECT_EQ(calls, expected) << name << strength;
      if (strength == 0) {
        EXPECT_EQ(end[0], x[0]) << name;
      }
    }
    const SamplerConfig whole = named(name, 12, 1);
    EXPECT_EQ(sampler_calls(whole, sampler_points(whole, schedule)), sampler_calls(whole)) << name;
  }
}

// x_0 ~ N(m, s^2) noised and brought back by a stochastic sampler of many steps is again x_0 ~ N(m, s^2), and
// remembers the picture the less the stronger: corr(x_0, result) = (alpha s)^2 / ((alpha s)^2 + sigma^2).
TEST(Strength, KeepsTheDistributionAndForgetsByDegrees) {
  const Schedule schedule;
  const double m = 0.3, s = 0.5;
  const auto denoiser = gaussian_denoiser<A>(schedule, m, s);
  const int64_t n = 6000;
  A x0 = noise_like(A({n, 1}), NoiseKey{3, 0, Purpose::test, 0});
  for (double& value : x0.data()) value = m + s * value;
  for (const double strength : {0.2, 0.6}) {
    const SamplerConfig config = named("ddpm", 500, strength);
    const PathPoint start = sampler_points(config, schedule).front();
    const A x =
        run_sampler(config, denoiser, schedule, noised_to(start, x0, initial_noise(x0, 8, 0)), {8, 0, {}});
    double mean = 0, variance = 0, with = 0;
    for (int64_t i = 0; i < n; ++i) mean += x[i] / static_cast<double>(n);
    for (int64_t i = 0; i < n; ++i) {
      variance += (x[i] - mean) * (x[i] - mean) / static_cast<double>(n);
      with += (x[i] - mean) * (x0[i] - m) / static_cast<double>(n);
    }
    EXPECT_NEAR(mean, m, 4.5 * s / std::sqrt(n));
    EXPECT_NEAR(variance, s * s, 0.02);
    const double signal = start.alpha * start.alpha * s * s;
    EXPECT_NEAR(with / (s * s), signal / (signal + start.sigma * start.sigma), 0.06) << strength;
  }
}

}  // namespace
}  // namespace langevin
