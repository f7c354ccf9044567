#include "langevin/sample/order_check.h"

#include <algorithm>
#include <cmath>

#include "langevin/diffusion/mixture.h"

namespace langevin {
namespace {

constexpr double kMean = 0.5, kStddev = 0.5;
constexpr int64_t kDdimTimesteps = 12800;

/// Where the flow has points that stand z standard deviations off the mean.
HostArrayD flow_at(const PathPoint& point, const HostArrayD& z) {
  HostArrayD x = z;
  const double spread = std::hypot(point.alpha * kStddev, point.sigma);
  for (double& value : x.data()) value = point.alpha * kMean + spread * value;
  return x;
}

HostArrayD places() {
  HostArrayD z({13, 1});
  for (int64_t i = 0; i < z.size(); ++i) z[i] = -3 + 0.5 * static_cast<double>(i);
  return z;
}

/// A schedule whose noise rises smoothly even at the first of many timesteps, so that DDIM's order shows.
Schedule ddim_schedule() {
  ScheduleConfig config;
  config.kind = "cosine";
  config.timesteps = kDdimTimesteps;
  return Schedule(config);
}

SamplerConfig named(const std::string& name, int64_t order, const std::string& solver,
                    const std::string& spacing) {
  SamplerConfig config;
  config.name = name;
  config.order = order;
  config.solver = solver;
  config.spacing = spacing;
  config.lower_order_final = false;
  return config;
}

struct Expected {
  double lowest, highest;
};
constexpr Expected kFirst{0.9, 1.1}, kSecond{1.85, 2.15};
constexpr Expected kThird{2.7, std::numeric_limits<double>::infinity()};

}  // namespace

double flow_error(const OrderCase& order_case, int64_t steps) {
  SamplerConfig config = order_case.config;
  config.steps = steps;
  const Mixture data{{1.0}, {{kMean}}, {kStddev}};
  const Denoiser<HostArrayD> denoiser = mixture_denoiser<double>(order_case.path, data);
  const HostArrayD z = places();
  HostArrayD x, truth;
  if (config.name == "ddim") {
    const Schedule schedule = ddim_schedule();
    const NoisePath path = discrete_path(schedule);
    truth = flow_at(path.at(-1), z);
    x = run_sampler(config, denoiser, schedule, flow_at(path.at(path.t_max), z));
  } else {
    const PointGrid grid = sampler_points(config, order_case.path);
    truth = flow_at(grid.back(), z);
    x = run_on_grid(config, denoiser, order_case.path, flow_at(grid.front(), z), grid, {});
  }
  double worst = 0;
  for (int64_t i = 0; i < x.size(); ++i) worst = std::max(worst, std::abs(x[i] - truth[i]));
  return std::isfinite(norm(x)[0]) ? worst : std::numeric_limits<double>::quiet_NaN();
}

OrderResult measure_order(const OrderCase& order_case) {
  OrderResult out{order_case.name, order_case.steps, {}, 0, order_case.lowest, order_case.highest};
  check(out.steps.size() >= 2, "measure_order", "needs two numbers of steps or more, got {}",
        out.steps.size());
  for (int64_t steps : out.steps) out.errors.push_back(flow_error(order_case, steps));
  const size_t last = out.steps.size() - 1;
  const double ratio = static_cast<double>(out.steps[last]) / static_cast<double>(out.steps[last - 1]);
  out.order = std::log(out.errors[last - 1] / out.errors[last]) / std::log(ratio);
  return out;
}

std::vector<OrderCase> order_cases() {
  const NoisePath vp = vp_path(), flow = flow_path();
  NoisePath even = vp_path();
  even.t_min = 0.05;  // below, the noise goes as the root of t: no method on even steps of t is smooth there
  std::vector<OrderCase> out;
  const auto add = [&](const std::string& label, const SamplerConfig& config, const NoisePath& path,
                       const std::vector<int64_t>& steps, Expected expected) {
    out.push_back({label, config, path, steps, expected.lowest, expected.highest});
  };
  const auto smooth = [&](const std::string& name, int64_t order, const std::string& solver, Expected e) {
    std::string label = name + (order > 0 ? " " + std::to_string(order) : "");
    if (!solver.empty()) label += " " + solver;
    add(label, named(name, order, solver, "log_snr"), vp, {20, 40, 80, 160}, e);
  };
  add("ddim", named("ddim", 0, "", "trailing"), discrete_path(ddim_schedule()), {100, 200, 400, 800}, kFirst);
  smooth("euler", 0, "", kFirst);
  add("flow_euler", named("flow_euler", 0, "", "trailing"), flow, {20, 40, 80, 160}, kFirst);
  smooth("heun", 0, "", kSecond);
  smooth("kdpm2", 0, "", kSecond);
  add("flow_heun", named("flow_heun", 0, "", "trailing"), flow, {20, 40, 80, 160}, kSecond);
  for (const bool skip : {true, false}) {
    SamplerConfig pndm = named("pndm", 0, "", "linspace");
    pndm.set_alpha_to_one = false;
    pndm.skip_prk_steps = skip;
    add(skip ? "pndm" : "pndm prk", pndm, even, {40, 80, 160, 320}, kSecond);
  }
  for (const char* name : {"dpmsolver", "dpmsolver++"}) {
    smooth(name, 1, "", kFirst);
    smooth(name, 2, "midpoint", kSecond);
    smooth(name, 2, "heun", kSecond);
    smooth(name, 3, "", kThird);
    smooth(name + std::string("_single"), 2, "", kSecond);
    smooth(name + std::string("_single"), 3, "", kThird);
  }
  for (const char* solver : {"tab", "log_rho"}) {
    smooth("deis", 2, solver, kSecond);
    smooth("deis", 3, solver, kThird);
  }
  smooth("lms", 2, "", kSecond);
  smooth("lms", 3, "", kThird);
  smooth("lms", 4, "", kThird);
  for (const char* solver : {"bh1", "bh2"}) {  // the corrector makes the order one more than the name's
    smooth("unipc", 1, solver, kSecond);
    smooth("unipc", 2, solver, kThird);
    smooth("unipc", 3, solver, kThird);
  }
  return out;
}

}  // namespace langevin
