// Identities between samplers, and what they all must do: stop, count, repeat, and refuse.
#include <gtest/gtest.h>

#include <cmath>

#include "langevin/core/config.h"
#include "langevin/diffusion/edm.h"
#include "langevin/diffusion/flow.h"
#include "langevin/diffusion/mixture.h"
#include "langevin/sample/ddim_inversion.h"
#include "langevin/sample/sampler.h"

namespace langevin {
namespace {

using A = HostArrayD;

const Mixture kData{{1, 2, 1}, {{1, 0}, {-0.5, 0.6}, {0, -1}}, {0.2, 0.3, 0.1}};

const Schedule& schedule() {
  static const Schedule linear;
  return linear;
}

Denoiser<A> denoiser() { return mixture_denoiser<double>(discrete_path(schedule()), kData); }

SamplerConfig named(const std::string& name, int64_t steps, const std::string& spacing = "trailing") {
  SamplerConfig config;
  config.name = name;
  config.steps = steps;
  config.spacing = spacing;
  return config;
}

A run(const SamplerConfig& config, uint64_t seed = 3, int64_t n = 4, uint64_t first = 0) {
  SampleContext<A> context;
  context.seed = seed;
  context.first_sample = first;
  return run_sampler(config, denoiser(), schedule(), initial_noise(A({n, 2}), seed, first), context);
}

double furthest(const A& a, const A& b) {
  double out = 0;
  for (int64_t i = 0; i < a.size(); ++i) out = std::max(out, std::abs(a[i] - b[i]));
  return out;
}

TEST(SolverIdentity, FirstOrderMethodsAreDdim) {
  const A ddim = run(named("ddim", 25));
  for (const char* name : {"euler", "flow_euler", "lms", "deis", "dpmsolver", "dpmsolver++",
                           "dpmsolver_single", "dpmsolver++_single"}) {
    SamplerConfig config = named(name, 25);
    if (sampler_order(config) > 1) config.order = 1;
    EXPECT_LT(furthest(run(config), ddim), 1e-9) << name;
  }
}

TEST(SolverIdentity, AncestralEulerIsDdpm) {
  EXPECT_LT(furthest(run(named("euler_ancestral", 30)), run(named("ddpm", 30))), 1e-9);
}

// With x0 held over a step the SDE's exact solution is the posterior q(x_s | x_t, x0), mean and variance.
TEST(SolverIdentity, FirstOrderSdeIsDdpm) {
  SamplerConfig config = named("sde_dpmsolver++", 30);
  config.order = 1;
  EXPECT_LT(furthest(run(config), run(named("ddpm", 30))), 1e-9);
}

TEST(SolverIdentity, Kdpm2IsDpmSolver2) {
  EXPECT_LT(furthest(run(named("kdpm2", 20)), run(named("dpmsolver_single", 20))), 1e-9);
}

TEST(SolverIdentity, DeisInLogRhoIsDpmSolver) {
  SamplerConfig deis = named("deis", 20), dpm = named("dpmsolver", 20);
  deis.solver = "log_rho";
  dpm.solver = "heun";
  for (const int64_t order : {2, 3}) {
    deis.order = dpm.order = order;
    EXPECT_LT(furthest(run(deis), run(dpm)), 1e-8) << order;
  }
}

// Methods that agree to high order agree in the end.
TEST(SolverIdentity, AllReachTheSameEnd) {
  const A fine = run(named("dpmsolver++_single", 300, "karras"));
  for (const std::string& name : sampler_names()) {
    if (name == "ddpm" || name == "lcm" || name == "ddim" || name == "pndm" || name.starts_with("sde") ||
        name.ends_with("ancestral")) {
      continue;
    }
    const bool first_order = name == "euler" || name == "flow_euler";
    EXPECT_LT(furthest(run(named(name, 200, "karras")), fine), first_order ? 0.05 : 5e-3) << name;
  }
}

TEST(Churn, IsNoneOutsideItsIntervalAndKeepsTheEnds) {
  const NoisePath path = discrete_path(schedule());
  const PathPoint point = path.at(500);
  EXPECT_EQ(churned(path, point, {}, 10), point);
  EXPECT_EQ(churned(path, point, {.churn = 5, .t_min = 100}, 10), point);
  EXPECT_NEAR(churned(path, point, {.churn = 2}, 10).rho(), 1.2 * point.rho(), 1e-9);
  EXPECT_NEAR(churned(path, point, {.churn = 50}, 10).rho(), std::sqrt(2.0) * point.rho(), 1e-9);
  EXPECT_EQ(churned(path, path.at(999), {.churn = 5}, 10), path.at(999));  // nothing is noisier
  SamplerConfig config = named("heun", 20, "karras");
  const A plain = run(config);
  config.s_churn = 5;
  const A stirred = run(config);
  EXPECT_GT(furthest(plain, stirred), 1e-3);
  EXPECT_EQ(furthest(stirred, run(config)), 0);
  EXPECT_THROW(check_churn({.churn = -1}), Error);
  EXPECT_THROW(check_churn({.churn = 1, .t_min = 2, .t_max = 1}), Error);
  EXPECT_THROW(check_churn({.churn = 1, .noise = 0}), Error);
}

TEST(Inversion, WithEnoughIterationsIsExact) {
  const PointGrid grid = sampler_points(named("euler", 20), schedule());
  const A x_T = initial_noise(A({5, 2}), 3, 0);
  const A x_0 = euler(denoiser(), discrete_path(schedule()), x_T, grid);
  const double rough = furthest(ddim_inversion(denoiser(), x_0, grid), x_T);
  const double better = furthest(ddim_inversion(denoiser(), x_0, grid, {4}), x_T);
  const double exact = furthest(ddim_inversion(denoiser(), x_0, grid, {200}), x_T);
  EXPECT_LT(better, rough);
  EXPECT_LT(exact, 1e-6);
  // The usual one gets better with the grid.
  const PointGrid fine = sampler_points(named("euler", 500), schedule());
  const A end = euler(denoiser(), discrete_path(schedule()), x_T, fine);
  EXPECT_LT(furthest(ddim_inversion(denoiser(), end, fine), x_T), 0.3 * rough);
  EXPECT_THROW(ddim_inversion(denoiser(), x_0, grid, {0}), Error);
}

// Where rho is t the transfer part is exact, so one step of the Runge-Kutta start is the classical one: error
// h^5.
TEST(Pndm, TheRungeKuttaStartIsOfOrderFour) {
  const NoisePath path = edm_path();
  const auto gaussian = mixture_denoiser<double>(path, {{1}, {{0.3, -0.1}}, {0.7}});
  const auto error = [&](double h) {
    const PathPoint from = path.at(2), to = path.at(2 - h);
    const A x({1, 2}, 1.7);
    const SampleContext<A> context;
    DenoiserRun<A> run(gaussian, context, 4);
    A first = x;
    const A got = prk_step(run, path, x, from, to, first);
    const double spread = std::hypot(0.7, to.sigma) / std::hypot(0.7, from.sigma);
    EXPECT_EQ(furthest(first, gaussian(x, 2, {}).eps), 0);
    return std::abs(got[0] - (0.3 + spread * (x[0] - 0.3)));
  };
  EXPECT_NEAR(std::log2(error(0.4) / error(0.2)), 5, 0.4);
}

TEST(Lcm, VisitsTheTimestepsOfItsDistillation) {
  EXPECT_EQ(lcm_timesteps(1000, 50, 4), (std::vector<int64_t>{999, 759, 519, 279}));
  EXPECT_EQ(lcm_timesteps(1000, 50, 1), (std::vector<int64_t>{999}));
  EXPECT_THROW(lcm_timesteps(1000, 50, 51), Error);
  EXPECT_THROW(lcm_timesteps(10, 50, 4), Error);
  std::vector<double> seen;
  SampleContext<A> context;
  context.observer = [&](const StepInfo<A>& info) {
    seen.push_back(info.t);
    return true;
  };
  run_sampler(named("lcm", 4), denoiser(), schedule(), A({1, 2}, 0.5), context);
  EXPECT_EQ(seen, (std::vector<double>{999, 759, 519, 279}));
}

TEST(EverySampler, CountsItsCallsAndStopsWhenAsked) {
  for (const std::string& name : sampler_names()) {
    SamplerConfig config = named(name, 10);
    std::vector<SamplerConfig> all{config};
    if (name == "pndm") {
      config.skip_prk_steps = false;
      all.push_back(config);
    }
    for (const SamplerConfig& c : all) {
      int64_t calls = 0;
      SampleContext<A> context;
      context.observer = [&](const StepInfo<A>& info) {
        EXPECT_EQ(info.step, calls++) << name;
        EXPECT_EQ(info.steps, sampler_calls(c)) << name;
        return true;
      };
      const A whole = run_sampler(c, denoiser(), schedule(), A({1, 2}, 0.5), context);
      EXPECT_EQ(calls, sampler_calls(c)) << name;
      for (int64_t stop_at = 0; stop_at < calls; ++stop_at) {
        A last;
        int64_t seen = 0;
        context.observer = [&](const StepInfo<A>& info) {
          last = info.x0;
          ++seen;
          return info.step < stop_at;
        };
        const A stopped = run_sampler(c, denoiser(), schedule(), A({1, 2}, 0.5), context);
        EXPECT_EQ(seen, stop_at + 1) << name;
        EXPECT_EQ(furthest(stopped, last), 0) << name << stop_at;
      }
      EXPECT_TRUE(std::isfinite(whole[0]));
    }
  }
}

TEST(EverySampler, MakesTheSameSampleInAnyBatch) {
  for (const std::string& name : sampler_names()) {
    SamplerConfig config = named(name, 8);
    if (name == "heun") config.s_churn = 3;
    const A all = run(config, 5, 5);
    for (const auto& [first, n] : {std::pair<int64_t, int64_t>{0, 2}, {2, 3}, {4, 1}}) {
      const A part = run(config, 5, n, static_cast<uint64_t>(first));
      for (int64_t i = 0; i < n; ++i) {
        EXPECT_TRUE(std::ranges::equal(part.sample(i), all.sample(first + i))) << name << first << i;
      }
    }
  }
}

TEST(EverySampler, GoesOverEverySpacingToEitherEnd) {
  for (const std::string& name : sampler_names()) {
    for (const std::string& kind : grid_kinds()) {
      for (const bool to_clean : {true, false}) {
        SamplerConfig config = named(name, 12, kind);
        config.set_alpha_to_one = to_clean;
        try {
          check_sampler(config, 1000);
        } catch (const Error&) {
          EXPECT_TRUE(name == "ddpm" || name == "ddim") << name << kind;
          continue;
        }
        EXPECT_TRUE(std::isfinite(norm(run(config, 1, 1))[0])) << name << kind;
      }
    }
  }
}

TEST(EverySampler, OneStepGoesStraightToTheEstimate) {
  const A x_T = initial_noise(A({4, 2}), 3, 0);
  const A x0 = denoiser()(x_T, 999, {}).x0;
  for (const std::string& name : sampler_names()) {
    if (name == "pndm" || name == "lcm") continue;
    EXPECT_LT(furthest(run(named(name, 1)), x0), 1e-9) << name;
  }
}

TEST(ZeroTerminalSnr, IsForSamplersThatCanStartThere) {
  ScheduleConfig schedule_config;
  schedule_config.zero_terminal_snr = true;
  const Schedule zero(schedule_config);
  const auto on_zero = mixture_denoiser<double>(discrete_path(zero), kData);
  for (const std::string& name : sampler_names()) {
    const auto go = [&] { return run_sampler(named(name, 12), on_zero, zero, A({1, 2}, 0.5)); };
    if (name == "ddpm" || name == "ddim" || name.find("++") != std::string::npos || name == "lcm" ||
        name.starts_with("flow")) {
      EXPECT_TRUE(std::isfinite(norm(go())[0])) << name;
    } else {
      EXPECT_THROW(go(), Error) << name;
    }
  }
  EXPECT_THROW(run_sampler(named("euler", 5, "karras"), on_zero, zero, A({1, 2}, 0.5)), Error);
}

// The same data by three parametrisations: noise levels, not the path, decide where a point goes.
TEST(Paths, EdmAndFlowSampleTheSameData) {
  const NoisePath edm = edm_path(), flow = flow_path();
  const auto z = initial_noise(A({2000, 2}), 9, 0);
  const auto mean_of = [](const A& x) {
    std::array<double, 2> out{};
    for (int64_t i = 0; i < x.batch(); ++i) {
      for (size_t d = 0; d < 2; ++d) out[d] += x.sample(i)[d] / static_cast<double>(x.batch());
    }
    return out;
  };
  const A by_edm = run_sampler(named("heun", 40, "karras"), mixture_denoiser<double>(edm, kData), edm, z);
  const A by_flow = run_sampler(named("flow_heun", 60), mixture_denoiser<double>(flow, kData), flow, z);
  SamplerConfig shifted = named("dpmsolver++", 60);
  shifted.shift = 3;
  const A by_dpm = run_sampler(shifted, mixture_denoiser<double>(flow, kData), flow, z);
  for (const A& x : {by_edm, by_flow, by_dpm}) {
    EXPECT_NEAR(mean_of(x)[0], 0.25 * 1 - 0.5 * 0.5, 0.07);
    EXPECT_NEAR(mean_of(x)[1], 0.5 * 0.6 - 0.25, 0.07);
  }
  EXPECT_LT(furthest(by_flow, by_dpm), 0.3);
  EXPECT_THROW(run_sampler(named("ddim", 10), mixture_denoiser<double>(edm, kData), edm, z), Error);
  EXPECT_THROW(run_sampler(named("euler", 10, "leading"), mixture_denoiser<double>(edm, kData), edm, z),
               Error);
  EXPECT_THROW(run_sampler(named("euler", 10), mixture_denoiser<double>(flow, kData), flow, z), Error);
}

// On EDM's path and on that of flow matching a sampler either is refused or gets the data right; both say
// what they are sampled with.
TEST(Paths, EverySamplerFitsOrIsRefused) {
  for (const NoisePath& path : {edm_path(), flow_path()}) {
    const bool flow = path.t_max == 1;
    const A z = initial_noise(A({1500, 2}), 9, 0);
    std::vector<std::string> refused;
    for (const std::string& name : sampler_names()) {
      SamplerConfig config = named(name, 40, usual_spacing(path));
      try {
        check_sampler(config, path);
      } catch (const Error& e) {
        EXPECT_NE(std::string(e.what()).find(flow ? "flow_heun" : "heun"), std::string::npos) << e.what();
        EXPECT_THROW(run_sampler(config, mixture_denoiser<double>(path, kData), path, z), Error);
        refused.push_back(name);
        continue;
      }
      const A x = run_sampler(config, mixture_denoiser<double>(path, kData), path, z);
      double mean = 0;
      for (int64_t i = 0; i < x.batch(); ++i) mean += x.sample(i)[0] / static_cast<double>(x.batch());
      EXPECT_NEAR(mean, 0.25 * 1 - 0.5 * 0.5, 0.1) << name << " on the " << path.name;
    }
    const std::vector<std::string> timesteps{"ddpm", "ddim", "lcm"};
    EXPECT_TRUE(std::equal(timesteps.begin(), timesteps.begin() + 2, refused.begin()));
    if (!flow) {
      EXPECT_EQ(refused, timesteps);
    }
    check_sampler(usual_sampler(path), path);
    EXPECT_EQ(usual_sampler(path).name, flow ? "flow_heun" : "heun");
    EXPECT_EQ(sampler_calls(usual_sampler(path)), flow ? 49 : 35);
    SamplerConfig leading = named("dpmsolver++", 10, "leading"), compat = named("dpmsolver++", 10);
    compat.compat_diffusers = true;
    EXPECT_THROW(check_sampler(leading, path), Error);
    EXPECT_THROW(check_sampler(compat, path), Error);
    const SamplerConfig karras = named("flow_euler", 10, "karras");
    if (flow) {
      EXPECT_THROW(check_sampler(karras, path), Error);
    } else {
      EXPECT_NO_THROW(check_sampler(karras, path));
    }
  }
  const NoisePath discrete = discrete_path(schedule());
  EXPECT_EQ(usual_sampler(discrete).name, "ddim");
  EXPECT_EQ(usual_steps("ddpm", discrete), 1000);
  EXPECT_THROW(usual_steps("ddpn", discrete), Error);
}

TEST(Sampler, RefusesWhatDoesNotFit) {
  const auto error = [](auto change) -> std::string {
    SamplerConfig config;
    change(config);
    try {
      check_sampler(config, 1000);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_NE(error([](auto& c) { c.name = "dpmsolver+"; }).find("dpmsolver"), std::string::npos);
  EXPECT_NE(error([](auto& c) { c.name = "unpic"; }).find("unipc"), std::string::npos);
  EXPECT_NE(error([](auto& c) { c.name = "heun", c.spacing = "karas"; }).find("karras"), std::string::npos);
  EXPECT_NE(error([](auto& c) { c.spacing = "karras"; }).find("euler"), std::string::npos);
  EXPECT_NE(error([](auto& c) { c.name = "unipc", c.order = 4; }).find("1 to 3"), std::string::npos);
  EXPECT_NE(error([](auto& c) { c.name = "heun", c.order = 2; }).find("order"), std::string::npos);
  EXPECT_NE(error([](auto& c) { c.name = "unipc", c.solver = "bh3"; }).find("bh"), std::string::npos);
  EXPECT_NE(error([](auto& c) { c.name = "heun", c.solver = "bh2"; }).find("solver"), std::string::npos);
  EXPECT_NE(error([](auto& c) { c.s_churn = -1; }).find("churn"), std::string::npos);
  EXPECT_NE(error([](auto& c) { c.karras_rho = 0; }).find("karras_rho"), std::string::npos);
  EXPECT_NE(error([](auto& c) { c.name = "pndm", c.steps = 1; }).find("pndm"), std::string::npos);
  EXPECT_NE(error([](auto& c) { c.name = "lcm", c.steps = 51; }).find("steps"), std::string::npos);
  EXPECT_NE(error([](auto& c) { c.shift = 2; }).find("shift"), std::string::npos);
  EXPECT_NE(error([](auto& c) { c.name = "flow_heun", c.compat_diffusers = true; }).find("flow_heun"),
            std::string::npos);
  EXPECT_NE(error([](auto& c) { c.name = "heun", c.spacing = "log_snr", c.steps = 1001; }).find("steps"),
            std::string::npos);
}

TEST(SamplerGrid, PlacesLevelsByTheirNoise) {
  const NoisePath path = discrete_path(schedule());
  const double hi = path.at(999).rho(), lo = path.at(0).rho();
  GridConfig config{.kind = "karras", .steps = 8};
  PointGrid grid = sampler_grid(path, config);
  ASSERT_EQ(grid.size(), 9u);
  EXPECT_EQ(grid[0].t, 999);
  EXPECT_NEAR(grid[7].t, 0, 1e-9);
  EXPECT_EQ(grid[8].t, -1);
  for (int i = 0; i < 8; ++i) {  // 2206.00364, eq. 5
    const double rho =
        std::pow(std::pow(hi, 1 / 7.0) + i / 7.0 * (std::pow(lo, 1 / 7.0) - std::pow(hi, 1 / 7.0)), 7);
    EXPECT_NEAR(grid[static_cast<size_t>(i)].rho(), rho, 1e-9 * rho);
  }
  config.kind = "exponential";
  grid = sampler_grid(path, config);
  for (int i = 1; i < 7; ++i) {
    const auto at = static_cast<size_t>(i);
    EXPECT_NEAR(grid[at].rho() * grid[at].rho(), grid[at - 1].rho() * grid[at + 1].rho(), 1e-8);
  }
  config.kind = "log_snr";
  grid = sampler_grid(path, config);
  ASSERT_EQ(grid.size(), 9u);
  EXPECT_NEAR(grid[8].t, 0, 1e-9);
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_NEAR(grid[i + 1].lambda() - grid[i].lambda(), std::log(hi / lo) / 8, 1e-8);
  }
  EXPECT_THROW(sampler_grid(path, {.kind = "karras", .steps = 0}), Error);
  EXPECT_THROW(sampler_grid(path, {.kind = "karras", .steps = 5, .rho = 0}), Error);
  EXPECT_THROW(check_points({path.at(3)}, "f"), Error);
  EXPECT_THROW(check_points({path.at(3), path.at(4)}, "f"), Error);
}

}  // namespace
}  // namespace langevin
