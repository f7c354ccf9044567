#include "langevin/cli/sampler_options.h"

#include <algorithm>

namespace langevin::cli {
namespace {

/// What the model came with where its sampler is meant, else what suits its path, and what the options say.
SamplerConfig asked_for(const SamplerOptions& o, const ModelSpec& spec, const NoisePath& path) {
  SamplerConfig config;
  config.name = usual_sampler(path).name;
  config.spacing = usual_spacing(path);
  const bool own = spec.sampling && (!o.name || *o.name == spec.sampling->sampler.name);
  if (own) config = spec.sampling->sampler;
  if (o.name) config.name = *o.name;
  if (o.order) config.order = *o.order;
  if (o.eta) config.eta = *o.eta;
  if (o.churn) config.s_churn = *o.churn;
  if (o.spacing) {
    config.spacing = *o.spacing;
    config.peer_spacing.clear();
  }
  if (!o.compat.empty()) config.compat_diffusers = o.compat == "diffusers";
  return config;
}

}  // namespace

void add_sampler(CLI::App& app, SamplerOptions& o) {
  app.add_option("--sampler", o.name,
                 fmt::format("{}; default ddim, of EDM's models heun, of flow matching flow_heun, of an "
                             "imported model the one it came with",
                             fmt::join(sampler_names(), ", ")));
  app.add_option(
      "--steps", o.steps,
      "steps, one call of the network each (heun, kdpm2, flow_heun two, .._single its order); default "
      "50 calls, heun of EDM 35, ddpm: all timesteps, lcm: 4");
  app.add_option("--order", o.order, "of dpmsolver.., unipc, deis (1 to 3) and lms (1 to 4)");
  app.add_option("--eta", o.eta, "ddim: 0 deterministic (default) .. 1 as noisy as ddpm");
  app.add_option("--spacing", o.spacing,
                 "trailing (default), leading, linspace; but for ddim and ddpm also karras (default of EDM), "
                 "exponential, log_snr");
  app.add_option("--churn", o.churn, "euler, heun: noise put back before each step, 0 (default) none");
  app.add_option("--variance", o.variance, "ddpm: fixed_small (default) or fixed_large");
  app.add_option("--compat", o.compat,
                 "diffusers: step exactly as that library does (default of a model from there); none");
}

SamplerConfig chosen_sampler(const SamplerOptions& o, const ModelSpec& spec) {
  const Target target = target_of(spec);
  const NoisePath& path = target.path();
  SamplerConfig config = asked_for(o, spec, path);
  as_usage([&] { config.steps = o.steps ? *o.steps : usual_steps(config.name, path); });
  if (o.steps.value_or(1) < 1) fail_usage("--steps: needs 1 or more, got {}", *o.steps);
  if (o.compat == "diffusers" && config.name == "ddpm")
    fail_usage("--compat: ddpm has one way of stepping here; leave the option out");
  if (!o.compat.empty() && o.compat != "diffusers" && o.compat != "none")
    fail_usage("--compat: knows diffusers and none, not '{}'", o.compat);
  as_usage([&] { check_sampler(config, path); });
  if (!o.variance.empty()) {
    if (config.name != "ddpm") fail_usage("--variance belongs to ddpm; the noise of ddim is chosen by --eta");
    as_usage([&] { config.variance = to_string(ddpm_variance_type(o.variance)); });
  }
  if (config.name != "ddim" && config.eta != 0)
    fail_usage("--eta belongs to ddim; ddpm's noise is chosen by --variance");
  if (config.name != "euler" && config.name != "heun" && config.s_churn != 0)
    fail_usage("--churn belongs to euler and heun");
  return config;
}

nlohmann::json describe_sampler(const SamplerConfig& s) {
  nlohmann::json sampler{{"name", s.name}, {"steps", s.steps}, {"spacing", s.spacing}};
  if (s.name == "ddim") sampler["eta"] = s.eta;
  if (s.name == "ddpm") sampler["variance"] = s.variance;
  if (sampler_order(s) > 1) sampler["order"] = sampler_order(s);
  if (s.s_churn > 0) sampler["churn"] = s.s_churn;
  if (s.compat_diffusers) sampler["compat"] = "diffusers";
  return sampler;
}

}  // namespace langevin::cli
