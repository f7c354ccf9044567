#include "langevin/cli/sampler_options.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "langevin/core/names.h"
#include "langevin/sample/sampler_info.h"

namespace langevin::cli {
namespace {

using O = SamplerOptions;

/// An option that only some samplers read.
struct Owned {
  const char* option;
  std::string_view field;  // of SamplerConfig
  bool (*given)(const O& options);
};

constexpr std::array kOwned{
    Owned{"--order", "order", [](const O& o) { return o.order.has_value(); }},
    Owned{"--solver", "solver", [](const O& o) { return o.solver.has_value(); }},
    Owned{"--no-lower-order-final", "lower_order_final", [](const O& o) { return o.no_lower_order_final; }},
    Owned{"--eta", "eta", [](const O& o) { return o.eta.has_value(); }},
    Owned{"--variance", "variance", [](const O& o) { return o.variance.has_value(); }},
    Owned{"--churn", "s_churn", [](const O& o) { return o.churn.has_value(); }},
    Owned{"--s-tmin", "s_tmin", [](const O& o) { return o.s_tmin.has_value(); }},
    Owned{"--s-tmax", "s_tmax", [](const O& o) { return o.s_tmax.has_value(); }},
    Owned{"--s-noise", "s_noise", [](const O& o) { return o.s_noise.has_value(); }},
    Owned{"--prk", "skip_prk_steps", [](const O& o) { return o.prk; }},
    Owned{"--original-steps", "original_steps", [](const O& o) { return o.original_steps.has_value(); }},
};

/// An option that the sampler never reads is a mistake, and the list says whose it is.
void check_belonging(const O& o, const SamplerConfig& config) {
  const SamplerInfo& info = sampler_info(config.name);
  for (const Owned& owned : kOwned) {
    if (owned.given(o) && !sampler_takes(info, owned.field))
      fail_usage("{} belongs to {}; {} does not read it", owned.option,
                 fmt::join(samplers_taking(owned.field), ", "), config.name);
  }
  if (config.s_churn == 0 && (o.s_tmin || o.s_tmax || o.s_noise))
    fail_usage("--s-tmin, --s-tmax and --s-noise do nothing without --churn above 0");
}

void check_grid_belonging(const O& o, const SamplerConfig& config) {
  const std::string& kind = config.spacing;
  if (config.name == "lcm" && o.spacing) fail_usage("--spacing: lcm has the timesteps of its distillation");
  if (o.steps_offset && kind != "leading") fail_usage("--steps-offset belongs to --spacing leading");
  if (o.rho && kind != "karras") fail_usage("--rho belongs to --spacing karras");
  const bool by_noise = kind == "karras" || kind == "exponential" || kind == "log_snr";
  if ((o.sigma_min || o.sigma_max) && !by_noise)
    fail_usage("--sigma-min and --sigma-max belong to --spacing karras, exponential and log_snr");
  if (o.end && (kind == "log_snr" || config.name == "lcm" || config.name == "ddpm"))
    fail_usage("--end: {} has an end of its own; leave the option out",
               kind == "log_snr" ? "log_snr spacing" : config.name);
  if (config.compat_diffusers && (o.sigma_min || o.sigma_max))
    fail_usage("--compat diffusers has no --sigma-min and --sigma-max");
}

void put_given(const O& o, SamplerConfig& config) {
  const auto put = [](const auto& given, auto& value) {
    if (given) value = *given;
  };
  if (o.spacing) {
    config.spacing = *o.spacing;
    config.peer_spacing.clear();
  }
  put(o.solver, config.solver);
  put(o.variance, config.variance);
  put(o.order, config.order);
  put(o.steps_offset, config.steps_offset);
  put(o.original_steps, config.original_steps);
  put(o.eta, config.eta);
  put(o.churn, config.s_churn);
  put(o.s_tmin, config.s_tmin);
  put(o.s_tmax, config.s_tmax);
  put(o.s_noise, config.s_noise);
  put(o.rho, config.karras_rho);
  put(o.sigma_min, config.sigma_min);
  put(o.sigma_max, config.sigma_max);
  put(o.shift, config.shift);
  if (o.no_lower_order_final) config.lower_order_final = false;
  if (o.prk) config.skip_prk_steps = false;
  if (o.end) {
    if (*o.end != "clean" && *o.end != "t0")
      fail_usage("--end: knows clean and t0, not '{}'", one_line(*o.end));
    config.set_alpha_to_one = *o.end == "clean";
  }
  if (o.compat) config.compat_diffusers = *o.compat == "diffusers";
}

/// Numbers whose absence has a value of its own, which must not be given as one.
void check_given(const O& o) {
  if (o.steps && *o.steps < 1) fail_usage("--steps: needs 1 or more, got {}", *o.steps);
  if (o.order && *o.order < 1) fail_usage("--order: needs 1 or more, got {}", *o.order);
  if (o.original_steps && *o.original_steps < 1)
    fail_usage("--original-steps: needs 1 or more, got {}", *o.original_steps);
  if (o.eta && !(*o.eta >= 0 && *o.eta <= 1)) fail_usage("--eta: needs 0 to 1, got {}", *o.eta);
  for (const auto& [option, given] : {std::pair{"--sigma-min", o.sigma_min},
                                      {"--sigma-max", o.sigma_max},
                                      {"--rho", o.rho},
                                      {"--shift", o.shift},
                                      {"--s-noise", o.s_noise}}) {
    if (given && !(*given > 0 && std::isfinite(*given)))
      fail_usage("{}: needs a number above 0, got {}", option, *given);
  }
  if (o.compat && *o.compat != "diffusers" && *o.compat != "none")
    fail_usage("--compat: knows diffusers and none, not '{}'", one_line(*o.compat));
}

}  // namespace

void add_sampler(CLI::App& app, SamplerOptions& o) {
  const auto option = [&](const char* name, auto& value, const std::string& text) {
    app.add_option(name, value, text)->group("Sampler");
  };
  const auto flag = [&](const char* name, bool& value, const std::string& text) {
    app.add_flag(name, value, text)->group("Sampler");
  };
  option(
      "--sampler", o.name,
      fmt::format("{}; default ddim, of EDM's models heun, of flow matching flow_heun, of an imported model "
                  "the one it came with; --list-samplers tells them apart",
                  fmt::join(sampler_names(), ", ")));
  option("--steps", o.steps,
         "steps of the grid; default 50 calls of the network, heun of EDM 35, ddpm: all timesteps, lcm: 4");
  option(
      "--spacing,--grid-of-times", o.spacing,
      "trailing (default), leading, linspace; but for ddim and ddpm also uniform, karras (default of EDM), "
      "exponential, log_snr");
  option("--order", o.order, "of dpmsolver.., unipc, deis (1 to 3) and lms (1 to 4)");
  option("--solver", o.solver, "dpmsolver..: midpoint, heun; unipc: bh2, bh1; deis: tab, log_rho");
  flag("--no-lower-order-final", o.no_lower_order_final, "keep the order in the last of few steps");
  option("--eta", o.eta, "ddim: 0 deterministic (default) .. 1 as noisy as ddpm; .._ancestral: default 1");
  option("--variance", o.variance,
         "ddpm: fixed_small (default), fixed_large, learned_range (default of a model that has it)");
  option("--churn,--s-churn", o.churn, "euler, heun: noise put back before each step, 0 (default) none");
  option("--s-tmin", o.s_tmin, "churn from this sigma / alpha on (default 0)");
  option("--s-tmax", o.s_tmax, "churn up to this sigma / alpha");
  option("--s-noise", o.s_noise, "churn: deviation of the noise put back (default 1)");
  option("--rho", o.rho, "karras spacing: larger, more steps at low noise (default 7)");
  option("--sigma-min", o.sigma_min, "cleanest sigma / alpha of karras, exponential, log_snr");
  option("--sigma-max", o.sigma_max, "noisiest sigma / alpha of them");
  option("--steps-offset", o.steps_offset, "leading spacing: added to each timestep");
  option("--shift", o.shift, "flow matching: moves the grid to the noise above 1 (default 1)");
  option("--end", o.end, "clean (default), or t0: the last step goes to the level of t = 0 only");
  flag("--prk", o.prk, "pndm: begin with Runge-Kutta steps");
  option("--original-steps", o.original_steps, "lcm: DDIM steps of its distillation (default 50)");
  option("--compat", o.compat,
         "diffusers: step exactly as that library does (default of a model from there); none");
}

SamplerConfig chosen_sampler(const SamplerOptions& o, const ModelSpec& spec, const SamplerWish& wish) {
  check_given(o);
  const Target target = target_of(spec);
  const NoisePath& path = target.path();
  const std::optional<std::string> name = o.name ? o.name : wish.name;
  SamplerConfig config = usual_sampler(path);
  const bool own = spec.sampling && (!name || *name == spec.sampling->sampler.name);
  if (own) config = spec.sampling->sampler;
  if (name) config.name = *name;
  if (!own && config.name == "ddpm" && nn::learned_variance(spec.network)) config.variance = "learned_range";
  as_usage([&] { sampler_info(config.name); });
  as_usage([&] { config.steps = o.steps ? *o.steps : wish.steps.value_or(usual_steps(config.name, path)); });
  put_given(o, config);
  if (config.compat_diffusers && o.compat && config.name == "ddpm")
    fail_usage("--compat: ddpm has one way of stepping here; leave the option out");
  check_belonging(o, config);
  as_usage([&] { check_sampler(config, path); });
  check_grid_belonging(o, config);
  as_usage([&] { sampler_points(config, target); });
  return config;
}

nlohmann::json describe_sampler(const SamplerConfig& s) {
  const SamplerConfig usual;
  const SamplerInfo& info = sampler_info(s.name);
  nlohmann::json sampler{{"name", s.name}, {"steps", s.steps}};
  if (s.name != "lcm") sampler["spacing"] = s.spacing;
  if (sampler_takes(info, "eta")) sampler["eta"] = sampler_eta(s);
  if (sampler_takes(info, "variance")) sampler["variance"] = s.variance;
  if (sampler_order(s) > 1) sampler["order"] = sampler_order(s);
  if (!s.solver.empty()) sampler["solver"] = s.solver;
  if (!s.lower_order_final) sampler["lower_order_final"] = false;
  if (!s.skip_prk_steps) sampler["prk"] = true;
  if (s.s_churn > 0) {
    sampler["churn"] = s.s_churn;
    if (s.s_tmin != usual.s_tmin) sampler["s_tmin"] = s.s_tmin;
    if (s.s_tmax != usual.s_tmax) sampler["s_tmax"] = s.s_tmax;
    if (s.s_noise != usual.s_noise) sampler["s_noise"] = s.s_noise;
  }
  if (s.spacing == "karras" && s.karras_rho != usual.karras_rho) sampler["rho"] = s.karras_rho;
  if (s.sigma_min > 0) sampler["sigma_min"] = s.sigma_min;
  if (s.sigma_max > 0) sampler["sigma_max"] = s.sigma_max;
  if (s.shift != usual.shift) sampler["shift"] = s.shift;
  if (s.steps_offset != 0) sampler["steps_offset"] = s.steps_offset;
  if (!s.set_alpha_to_one) sampler["end"] = "t0";
  if (s.name == "lcm") sampler["original_steps"] = s.original_steps;
  if (s.compat_diffusers) sampler["compat"] = "diffusers";
  return sampler;
}

namespace {

std::vector<std::string> options_of(const SamplerInfo& info) {
  std::vector<std::string> options;
  for (const Owned& owned : kOwned) {
    if (sampler_takes(info, owned.field)) options.emplace_back(owned.option);
  }
  return options;
}

}  // namespace

std::string sampler_table() {
  constexpr const char* kRow = "{:<20} {:<10} {:<11} {:<14} {:<17} {}\n";
  std::string text = fmt::format(kRow, "sampler", "calls/step", "order", "result", "from", "options");
  for (const SamplerInfo& info : sampler_infos()) {
    text += fmt::format(kRow, info.name, info.calls, info.order, info.stochastic ? "drawn" : "deterministic",
                        info.source, fmt::join(options_of(info), " "));
  }
  return text +
         "\nAll take --steps; all but lcm --spacing (ddpm and ddim: leading, trailing, linspace). Order p: "
         "the\n"
         "error falls with steps^-p; (n) is the --order taken if none is given. A deterministic sampler "
         "makes\n"
         "the same picture of the same noise; --eta and --churn make ddim, euler and heun draw as well.\n";
}

nlohmann::json sampler_list() {
  nlohmann::json list = nlohmann::json::array();
  for (const SamplerInfo& info : sampler_infos()) {
    list.push_back({{"name", info.name},
                    {"calls_per_step", info.calls},
                    {"order", info.order},
                    {"deterministic", !info.stochastic},
                    {"options", options_of(info)},
                    {"source", info.source}});
  }
  return {{"samplers", list}};
}

}  // namespace langevin::cli
