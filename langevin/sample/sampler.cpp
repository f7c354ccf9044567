#include "langevin/sample/sampler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "langevin/core/config.h"

namespace langevin {
namespace {

enum class Calls { once, twice, by_order, prk };
enum class Peer { none, multistep, sigmas, timesteps };  // whose grid compat_diffusers takes

/// What the registry knows of a sampler.
struct Entry {
  std::string_view name;
  Calls calls;
  Peer peer;
  int64_t order, max_order;  // the usual one; 0: no choice
  std::array<std::string_view, 2> solvers;
  bool from_noise = false;  // can start where there is no signal (flow)
};

constexpr std::array kSamplers{
    Entry{"ddpm", Calls::once, Peer::timesteps, 0, 0, {}},
    Entry{"ddim", Calls::once, Peer::timesteps, 0, 0, {}},
    Entry{"euler", Calls::once, Peer::sigmas, 0, 0, {}},
    Entry{"euler_ancestral", Calls::once, Peer::sigmas, 0, 0, {}},
    Entry{"heun", Calls::twice, Peer::sigmas, 0, 0, {}},
    Entry{"kdpm2", Calls::twice, Peer::sigmas, 0, 0, {}},
    Entry{"kdpm2_ancestral", Calls::twice, Peer::sigmas, 0, 0, {}},
    Entry{"lms", Calls::once, Peer::sigmas, 4, 4, {}},
    Entry{"pndm", Calls::prk, Peer::timesteps, 0, 0, {}},
    Entry{"deis", Calls::once, Peer::multistep, 3, 3, {"tab", "log_rho"}},
    Entry{"dpmsolver", Calls::once, Peer::multistep, 2, 3, {"midpoint", "heun"}},
    Entry{"dpmsolver++", Calls::once, Peer::multistep, 2, 3, {"midpoint", "heun"}, true},
    Entry{"sde_dpmsolver++", Calls::once, Peer::multistep, 2, 3, {"midpoint", "heun"}, true},
    Entry{"dpmsolver_single", Calls::by_order, Peer::none, 2, 3, {}},
    Entry{"dpmsolver++_single", Calls::by_order, Peer::none, 2, 3, {}, true},
    Entry{"unipc", Calls::once, Peer::multistep, 2, 3, {"bh2", "bh1"}},
    Entry{"lcm", Calls::once, Peer::timesteps, 0, 0, {}},
    Entry{"flow_euler", Calls::once, Peer::none, 0, 0, {}, true},
    Entry{"flow_heun", Calls::twice, Peer::none, 0, 0, {}, true},
};

const Entry& find(const std::string& name) {
  for (const Entry& entry : kSamplers) {
    if (entry.name == name) return entry;
  }
  throw Error(unknown_name("sampler", name, sampler_names()));
}

std::vector<std::string_view> samplers_from_noise() {
  std::vector<std::string_view> names;
  for (const Entry& entry : kSamplers) {
    if (entry.from_noise) names.push_back(entry.name);
  }
  return names;
}

bool on_timesteps(const SamplerConfig& config) {
  return config.name == "ddpm" || config.name == "ddim" || config.name == "lcm";
}

void check_solver(const SamplerConfig& config, const Entry& entry) {
  std::vector<std::string> known;
  for (std::string_view solver : entry.solvers) {
    if (!solver.empty()) known.emplace_back(solver);
  }
  if (config.solver.empty()) return;
  check(!known.empty(), "sampler", "{} has no choice of solver, got '{}'", config.name,
        one_line(config.solver));
  if (std::find(known.begin(), known.end(), config.solver) == known.end()) {
    throw Error(unknown_name(config.name + " solver", config.solver, known));
  }
}

GridConfig grid_config(const SamplerConfig& c) {
  return {.kind = c.spacing,
          .steps = c.steps,
          .steps_offset = c.steps_offset,
          .rho = c.karras_rho,
          .rho_max = c.sigma_max,
          .rho_min = c.sigma_min,
          .to_clean = c.set_alpha_to_one || c.name == "ddpm",
          .shift = c.shift};
}

/// diffusers leaves out whole steps; pndm's methods want an even grid, lcm's function its own timesteps.
CutAt cut_at(const SamplerConfig& config) {
  if (config.compat_diffusers) return CutAt::share;
  return config.name == "pndm" || config.name == "lcm" ? CutAt::nearest : CutAt::exactly;
}

PointGrid peer_points(const SamplerConfig& c, const Schedule& schedule, PeerGrid kind) {
  const bool multistep = kind == PeerGrid::multistep;
  const bool to_clean = c.final_level.empty() ? !multistep : c.final_level == "zero";
  GridConfig grid = grid_config(c);
  grid.to_clean = to_clean;
  return peer_grid(schedule, grid, kind, c.peer_spacing.empty() ? "linspace" : c.peer_spacing);
}

/// All that does not depend on the path.
void check_numbers(const SamplerConfig& config) {
  const Entry& entry = find(config.name);
  check_solver(config, entry);
  ddpm_variance_type(config.variance);
  check(config.eta == -1 || (config.eta >= 0 && config.eta <= 1), "sampler", "eta must be in [0, 1], got {}",
        config.eta);
  check(config.strength >= 0 && config.strength <= 1, "sampler", "strength must be in [0, 1], got {}",
        config.strength);
  check(config.order >= 0 && config.order <= std::max<int64_t>(entry.max_order, 0), "sampler",
        "order of {} must be {}, got {}", config.name,
        entry.max_order > 0 ? fmt::format("1 to {} (0: {})", entry.max_order, entry.order) : "left out",
        config.order);
  check(config.karras_rho > 0 && std::isfinite(config.karras_rho), "sampler",
        "karras_rho must be above 0, got {}", config.karras_rho);
  for (const double sigma : {config.sigma_min, config.sigma_max})
    check(sigma >= 0 && std::isfinite(sigma), "sampler", "sigma_min and sigma_max must be above 0, got {}",
          sigma);
  check_churn(churn_options(config));
}

}  // namespace

std::vector<std::string> sampler_names() {
  std::vector<std::string> out;
  for (const Entry& entry : kSamplers) out.emplace_back(entry.name);
  return out;
}

void add_fields(Schema& schema, SamplerConfig& config, const std::string& prefix) {
  schema.field(prefix + "name", config.name, "sampler", sampler_names());
  schema.field(prefix + "steps", config.steps, "steps of the sampler, at most T", {1, 1e6});
  schema.field(prefix + "strength", config.strength, "how far up a walk from a picture begins", {0, 1});
  schema.field(prefix + "spacing", config.spacing, "which levels are visited", grid_kinds());
  schema.field(prefix + "steps_offset", config.steps_offset, "added to each timestep (leading spacing)",
               {0, 1e6});
  schema.field(prefix + "variance", config.variance, "noise of a step (ddpm)", ddpm_variance_types());
  schema.field(prefix + "eta", config.eta,
               "0 deterministic, 1 as noisy as ddpm (ddim, .._ancestral); -1: the usual", {-1, 1});
  schema.field(prefix + "set_alpha_to_one", config.set_alpha_to_one, "last step goes to clean data");
  schema.field(prefix + "compat_diffusers", config.compat_diffusers, "steps and grids as diffusers has them");
  schema.field(prefix + "peer_spacing", config.peer_spacing,
               "of compat_diffusers: the timesteps between whose levels a karras grid lies",
               {"", "leading", "trailing", "linspace"});
  schema.field(prefix + "final_level", config.final_level, "of compat_diffusers: where the grid ends",
               {"", "zero", "sigma_min"});
  schema.field(prefix + "order", config.order, "order of the solver; 0: the usual one", {0, 4});
  schema.field(prefix + "solver", config.solver,
               "dpmsolver: midpoint, heun; unipc: bh2, bh1; deis: tab, log_rho; empty: the first");
  schema.field(prefix + "lower_order_final", config.lower_order_final,
               "lower order in the last steps (dpmsolver, deis, unipc)");
  schema.field(prefix + "karras_rho", config.karras_rho, "karras spacing: larger, more steps at low noise",
               {0.1, 100});
  schema.field(prefix + "sigma_min", config.sigma_min, "cleanest sigma / alpha of spacings by noise; 0: all",
               {0, 1e9});
  schema.field(prefix + "sigma_max", config.sigma_max, "noisiest sigma / alpha of them; 0: all", {0, 1e9});
  schema.field(prefix + "s_churn", config.s_churn, "noise put back before each step (euler, heun)", {0, 1e6});
  schema.field(prefix + "s_tmin", config.s_tmin, "churn: lowest sigma / alpha", {0, 1e9});
  schema.field(prefix + "s_tmax", config.s_tmax, "churn: highest sigma / alpha", {0, 1e9});
  schema.field(prefix + "s_noise", config.s_noise, "churn: standard deviation of the noise", {1e-3, 10});
  schema.field(prefix + "skip_prk_steps", config.skip_prk_steps, "no Runge-Kutta start (pndm)");
  schema.field(prefix + "original_steps", config.original_steps, "steps of the distillation (lcm)", {1, 1e6});
  schema.field(prefix + "shift", config.shift, "moves a flow's grid to the noise where above 1", {1e-3, 1e3});
}

int64_t sampler_order(const SamplerConfig& config) {
  const Entry& entry = find(config.name);
  return std::max<int64_t>(1, config.order > 0 ? config.order : entry.order);
}

double sampler_eta(const SamplerConfig& config) {
  if (config.eta >= 0) return config.eta;
  return config.name.ends_with("_ancestral") ? 1 : 0;
}

int64_t sampler_calls(const SamplerConfig& config) {
  const bool to_clean = config.set_alpha_to_one && config.spacing != "log_snr";
  const auto each = [&](int64_t n) { return n * config.steps - (to_clean ? n - 1 : 0); };
  switch (find(config.name).calls) {
    case Calls::once:
      return config.steps;
    case Calls::twice:
      return each(2);
    case Calls::by_order:
      return each(sampler_order(config));
    case Calls::prk:
      return config.steps + (config.skip_prk_steps ? 1 : 9);
  }
  fail("sampler_calls: no such case");
}

int64_t sampler_calls(const SamplerConfig& config, const PointGrid& grid) {
  const Entry& entry = find(config.name);
  const auto steps = static_cast<int64_t>(grid.size()) - 1;
  if (steps < 1) return 0;
  if (entry.calls == Calls::once) return steps;
  if (entry.calls == Calls::prk) return pndm_calls(grid, {config.skip_prk_steps});
  int64_t calls = 0;
  for (int64_t i = 0; i < steps; ++i) {
    const PathPoint &from = grid[static_cast<size_t>(i)], &to = grid[static_cast<size_t>(i + 1)];
    const int64_t inside = entry.calls == Calls::twice ? 2 : from.alpha > 0 ? sampler_order(config) : 1;
    calls += to.sigma > 0 ? inside : 1;
  }
  return calls;
}

void check_sampler(const SamplerConfig& config, int64_t T) {
  check_numbers(config);
  check(config.shift == 1, "sampler", "shift belongs to flow-matching models, not to timesteps");
  check(!config.compat_diffusers || find(config.name).peer != Peer::none, "compat_diffusers",
        "{} has no counterpart there", config.name);
  if (config.name == "lcm") {
    lcm_timesteps(T, std::min(config.original_steps, T), config.steps);
    return;
  }
  const auto kinds = grid_kinds();
  if (std::find(kinds.begin(), kinds.end(), config.spacing) == kinds.end()) {
    throw Error(unknown_name("timestep spacing", config.spacing, kinds));
  }
  const auto whole = spacings();
  if (std::find(whole.begin(), whole.end(), config.spacing) != whole.end()) {
    timestep_grid(T, config.steps, spacing(config.spacing), config.steps_offset);
  } else {
    check(!on_timesteps(config), "sampler",
          "{} visits timesteps: spacing must be leading, trailing or linspace, got {}; euler is ddim on any "
          "grid, euler_ancestral ddpm",
          config.name, config.spacing);
    check(config.steps >= 1 && config.steps <= T, "sampler", "steps must be 1 to T = {}, got {}", T,
          config.steps);
    check(T >= 2, "sampler", "{} spacing needs a schedule of 2 levels or more", config.spacing);
  }
  if (config.name == "pndm") {
    const int64_t least = config.skip_prk_steps ? 2 : 4;
    check(config.steps >= least, "sampler", "pndm needs {} steps or more, got {}", least, config.steps);
  }
}

std::vector<int64_t> sampler_timesteps(const SamplerConfig& config, int64_t T) {
  const auto timesteps = timestep_grid(T, config.steps, spacing(config.spacing), config.steps_offset);
  return cut_timesteps(timesteps, T, config.strength, cut_at(config));
}

namespace {

/// Before the strength cuts it.
PointGrid whole_grid(const SamplerConfig& config, const Schedule& schedule, const NoisePath& path) {
  if (config.name == "lcm") {
    const int64_t original = std::min(config.original_steps, schedule.T());
    return timestep_points(schedule, lcm_timesteps(schedule.T(), original, config.steps));
  }
  if (config.compat_diffusers) {
    const Peer peer = find(config.name).peer;
    if (peer == Peer::multistep) return peer_points(config, schedule, PeerGrid::multistep);
    if (peer == Peer::sigmas) return peer_points(config, schedule, PeerGrid::sigmas);
  }
  return sampler_grid(path, grid_config(config));
}

}  // namespace

PointGrid sampler_points(const SamplerConfig& config, const Schedule& schedule) {
  if (config.name == "ddpm" || config.name == "ddim") {
    const auto timesteps = sampler_timesteps(config, schedule.T());
    if (timesteps.empty()) return {{-1, 1, 0}};
    return timestep_points(schedule, timesteps, grid_config(config).to_clean);
  }
  const NoisePath path = discrete_path(schedule);
  return cut_grid(path, whole_grid(config, schedule, path), config.strength, cut_at(config));
}

PointGrid sampler_points(const SamplerConfig& config, const NoisePath& path) {
  check_numbers(config);
  check(!on_timesteps(config), "sampler", "{} visits the timesteps of a schedule; use {} on the {}",
        config.name, usual_sampler(path).name, path.name);
  check(!config.compat_diffusers, "compat_diffusers", "is for schedules of timesteps");
  PointGrid grid = cut_grid(path, sampler_grid(path, grid_config(config)), config.strength, cut_at(config));
  check(grid.front().alpha > 0 || find(config.name).from_noise, "sampler",
        "{} cannot start where there is no signal, as the {} does; use {}", config.name, path.name,
        fmt::join(samplers_from_noise(), ", "));
  return grid;
}

PointGrid sampler_points(const SamplerConfig& config, const Target& target) {
  if (!target.schedule()) return sampler_points(config, target.path());
  check_sampler(config, target.schedule()->T());
  return sampler_points(config, *target.schedule());
}

void check_sampler(const SamplerConfig& config, const NoisePath& path) {
  if (path.is_discrete()) return check_sampler(config, static_cast<int64_t>(path.t_max) + 1);
  sampler_points(config, path);
}

int64_t usual_steps(const std::string& name, const NoisePath& path) {
  const bool twice = find(name).calls == Calls::twice;
  if (!path.is_discrete()) return twice ? (path.at(path.t_max).alpha > 0 ? 18 : 25) : 50;
  const auto T = static_cast<int64_t>(path.t_max) + 1;
  return name == "ddpm" ? T : std::min<int64_t>(name == "lcm" ? 4 : 50, T);
}

std::string usual_spacing(const NoisePath& path) {
  return path.is_discrete() || path.at(path.t_max).alpha == 0 ? "trailing" : "karras";
}

SamplerConfig usual_sampler(const NoisePath& path) {
  SamplerConfig config;
  config.name = path.is_discrete() ? "ddim" : path.at(path.t_max).alpha > 0 ? "heun" : "flow_heun";
  config.steps = usual_steps(config.name, path);
  config.spacing = usual_spacing(path);
  return config;
}

double starting_scale(const SamplerConfig& config, const PathPoint& start) {
  if (config.compat_diffusers && find(config.name).peer == Peer::sigmas) {
    const std::string& spacing = config.peer_spacing.empty() ? config.spacing : config.peer_spacing;
    return spacing == "leading" ? 1.0 : start.sigma;
  }
  const double scale = std::hypot(start.alpha, start.sigma);
  return std::abs(scale - 1) < 1e-9 ? 1.0 : scale;
}

ChurnOptions churn_options(const SamplerConfig& config) {
  return {config.s_churn, config.s_tmin, config.s_tmax, config.s_noise};
}

DpmSolverOptions dpm_options(const SamplerConfig& config) {
  DpmSolverOptions out;
  out.form = config.name == "dpmsolver"     ? ExponentialForm::noise
             : config.name == "dpmsolver++" ? ExponentialForm::data
                                            : ExponentialForm::sde;
  out.order = sampler_order(config);
  out.midpoint = config.solver != "heun";
  out.lower_order_final = config.lower_order_final;
  out.compat_diffusers = config.compat_diffusers;
  return out;
}

DpmSingleOptions dpm_single_options(const SamplerConfig& config) {
  return {config.name == "dpmsolver_single" ? ExponentialForm::noise : ExponentialForm::data,
          sampler_order(config)};
}

UniPcOptions unipc_options(const SamplerConfig& config) {
  return {sampler_order(config), config.solver == "bh1", true, config.lower_order_final};
}

DeisOptions deis_options(const SamplerConfig& config) {
  return {sampler_order(config), config.solver == "log_rho", config.lower_order_final};
}

}  // namespace langevin
