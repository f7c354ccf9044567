#include "langevin/sample/sampler.h"

#include <algorithm>

#include "langevin/core/config.h"

namespace langevin {

std::vector<std::string> sampler_names() { return {"ddpm", "ddim"}; }

void add_fields(Schema& schema, SamplerConfig& config, const std::string& prefix) {
  schema.field(prefix + "name", config.name, "sampler", sampler_names());
  schema.field(prefix + "steps", config.steps, "calls of the network, at most T", {1, 1e6});
  schema.field(prefix + "spacing", config.spacing, "which timesteps are visited", spacings());
  schema.field(prefix + "steps_offset", config.steps_offset, "added to each timestep (leading spacing)",
               {0, 1e6});
  schema.field(prefix + "variance", config.variance, "noise of a step (ddpm)", ddpm_variance_types());
  schema.field(prefix + "eta", config.eta, "0 deterministic, 1 as noisy as ddpm (ddim)", {0, 1});
  schema.field(prefix + "set_alpha_to_one", config.set_alpha_to_one, "last step goes to clean data (ddim)");
  schema.field(prefix + "compat_diffusers", config.compat_diffusers,
               "step sizes as diffusers has them (ddim)");
}

void check_sampler(const SamplerConfig& config, int64_t T) {
  const auto names = sampler_names();
  if (std::find(names.begin(), names.end(), config.name) == names.end()) {
    throw Error(unknown_name("sampler", config.name, names));
  }
  ddpm_variance_type(config.variance);
  check(config.eta >= 0 && config.eta <= 1, "sampler", "eta must be in [0, 1], got {}", config.eta);
  timestep_grid(T, config.steps, spacing(config.spacing), config.steps_offset);
}

}  // namespace langevin
