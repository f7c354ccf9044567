// What is said of each sampler is what it does.
#include "langevin/sample/sampler_info.h"

#include <gtest/gtest.h>

#include <functional>

#include "langevin/sample/single_step.h"

namespace langevin {
namespace {

using A = HostArrayD;

SamplerConfig named(std::string_view name, int64_t steps = 10) {
  SamplerConfig config;
  config.name = std::string(name);
  config.steps = steps;
  return config;
}

/// x_0 of two samples; empty where the config is refused.
std::vector<double> run(const SamplerConfig& config, uint64_t seed = 4) {
  const Schedule schedule;
  const auto denoiser = gaussian_denoiser<A>(schedule, 0.3, 0.4);
  try {
    SampleContext<A> context{seed, 0, {}};
    const A x = run_sampler(config, denoiser, schedule, initial_noise(A({2, 2}), 1, 0), context);
    return {x.data().begin(), x.data().end()};
  } catch (const Error&) {
    return {};
  }
}

TEST(SamplerInfo, KnowsEachSamplerInItsOrder) {
  std::vector<std::string> names;
  for (const SamplerInfo& info : sampler_infos()) names.emplace_back(info.name);
  EXPECT_EQ(names, sampler_names());
  EXPECT_THROW(sampler_info("dimm"), Error);
}

TEST(SamplerInfo, NoiseIsDrawnByThoseThatSaySo) {
  for (const SamplerInfo& info : sampler_infos())
    EXPECT_EQ(run(named(info.name), 4) != run(named(info.name), 5), info.stochastic) << info.name;
}

// A field that is listed makes a difference, and one that is not makes none (or is refused).
TEST(SamplerInfo, ListsTheFieldsThatAreRead) {
  using Change = std::function<void(SamplerConfig&)>;
  const std::vector<std::pair<std::string, Change>> changes{
      {"order", [](SamplerConfig& c) { c.order = 1; }},
      {"solver",
       [](SamplerConfig& c) {
         c.solver = c.name == "unipc" ? "bh1" : c.name == "deis" ? "log_rho" : "heun";
       }},
      {"lower_order_final", [](SamplerConfig& c) { c.lower_order_final = false; }},
      {"eta", [](SamplerConfig& c) { c.eta = 0.5; }},
      {"variance", [](SamplerConfig& c) { c.variance = "fixed_large"; }},
      {"s_churn", [](SamplerConfig& c) { c.s_churn = 3; }},
      {"s_tmin", [](SamplerConfig& c) { c.s_tmin = 1; }},
      {"s_tmax", [](SamplerConfig& c) { c.s_tmax = 2; }},
      {"s_noise", [](SamplerConfig& c) { c.s_noise = 1.1; }},
      {"skip_prk_steps", [](SamplerConfig& c) { c.skip_prk_steps = false; }},
      {"original_steps", [](SamplerConfig& c) { c.original_steps = 17; }},
  };
  for (const SamplerInfo& info : sampler_infos()) {
    for (const auto& [field, change] : changes) {
      SamplerConfig base = named(info.name);
      if (field.starts_with("s_t") || field == "s_noise")
        base.s_churn = sampler_takes(info, "s_churn") ? 5 : 0;
      // The step that ends without noise is of order 1 anyway; of order 3 the one before it differs too.
      if (field == "lower_order_final" && sampler_takes(info, field)) base.order = 3;
      SamplerConfig changed = base;
      change(changed);
      const std::vector<double> before = run(base), after = run(changed);
      EXPECT_FALSE(before.empty()) << info.name;
      EXPECT_EQ(!after.empty() && before != after, sampler_takes(info, field)) << info.name << " " << field;
    }
  }
  EXPECT_EQ(samplers_taking("variance"), std::vector<std::string>{"ddpm"});
}

TEST(SamplerInfo, CallsAndLevelsAreAsSaid) {
  for (const SamplerInfo& info : sampler_infos()) {
    SamplerConfig config = named(info.name);
    const int64_t each = info.calls == "1" ? 1 : info.calls == "2" ? 2 : sampler_order(config);
    const int64_t expected = each * 10 - (each - 1) + (info.name == "pndm" ? 1 : 0);
    EXPECT_EQ(sampler_calls(config), expected) << info.name;
    config.spacing = "karras";
    const bool refused = info.name != "lcm" && run(config).empty();
    EXPECT_EQ(refused, !info.any_level && info.name != "lcm") << info.name;
  }
}

// Steps that remember nothing are the same alone as in a row.
TEST(SamplerInfo, WhatIsAloneStepsAlone) {
  const Schedule schedule;
  const auto denoiser = gaussian_denoiser<A>(schedule, 0.3, 0.4);
  for (const SamplerInfo& info : sampler_infos()) {
    if (!info.alone || info.stochastic) continue;
    const SamplerConfig config = named(info.name);
    const PointGrid grid = sampler_points(config, schedule);
    const auto step = single_step<A>(config, discrete_path(schedule), 10);
    A x = initial_noise(A({2, 2}), 1, 0);
    for (size_t i = 0; i + 1 < grid.size(); ++i) x = step(denoiser, x, grid[i], grid[i + 1], {});
    const std::vector<double> whole = run(config);
    for (int64_t i = 0; i < x.size(); ++i)
      EXPECT_NEAR(x[i], whole[static_cast<size_t>(i)], 1e-12) << info.name;
  }
}

// One step of ddpm alone: its mean is the posterior's, its deviation the one of --variance.
TEST(SamplerInfo, DdpmStepsAloneToo) {
  const Schedule schedule;
  const PathPoint from{399, schedule.alpha(399), schedule.sigma(399)},
      to{299, schedule.alpha(299), schedule.sigma(299)};
  const auto fixed = [](const A& x, double, const Cond<A>&) {
    return Prediction<A>{A(x.shape(), 0.25), A(x.shape(), 0.0)};
  };
  for (const char* variance : {"fixed_small", "fixed_large"}) {
    SamplerConfig config = named("ddpm");
    config.variance = variance;
    const int64_t n = 40000;
    const A x = single_step<A>(config, discrete_path(schedule))(fixed, A({n, 1}, 0.7), from, to, {3, 0, {}});
    const double ab_t = schedule.alpha_bar(399), ab_s = schedule.alpha_bar(299);
    const PosteriorCoefs c = posterior_between(ab_s, ab_t);
    const double want = std::sqrt(ddpm_variance(ab_s, ab_t, ddpm_variance_type(variance)));
    double mean = 0, square = 0;
    for (int64_t i = 0; i < n; ++i) mean += x[i] / static_cast<double>(n);
    for (int64_t i = 0; i < n; ++i) square += (x[i] - mean) * (x[i] - mean) / static_cast<double>(n);
    EXPECT_NEAR(mean, c.x0 * 0.25 + c.x_t * 0.7, 4.5 * want / std::sqrt(n)) << variance;
    EXPECT_NEAR(std::sqrt(square), want, 4.5 * want / std::sqrt(2.0 * n)) << variance;
  }
}

TEST(SamplerGridBounds, SigmaMinAndMaxAreTheEnds) {
  const Schedule schedule;
  for (const char* spacing : {"karras", "exponential"}) {
    SamplerConfig config = named("euler");
    config.spacing = spacing;
    config.sigma_min = 0.1;
    config.sigma_max = 20;
    const PointGrid grid = sampler_points(config, schedule);
    ASSERT_EQ(grid.size(), 11u);
    EXPECT_NEAR(grid.front().rho(), 20, 1e-6) << spacing;
    EXPECT_NEAR(grid[9].rho(), 0.1, 1e-8) << spacing;
    EXPECT_EQ(grid.back().sigma, 0);
    config.sigma_max = 1e4;  // more than the schedule has
    EXPECT_THROW(sampler_points(config, schedule), Error);
    config.sigma_max = 0.05;  // below sigma_min
    EXPECT_THROW(sampler_points(config, schedule), Error);
  }
}

TEST(SamplerGridBounds, UniformIsEvenInTime) {
  SamplerConfig config = named("euler", 7);
  config.spacing = "uniform";
  const PointGrid grid = sampler_points(config, Schedule());
  ASSERT_EQ(grid.size(), 8u);
  for (size_t i = 0; i < grid.size(); ++i)
    EXPECT_NEAR(grid[i].t, 999 - 1000.0 * static_cast<double>(i) / 7, 1e-9);
}

}  // namespace
}  // namespace langevin
