// Samplers by name: what `--sampler` and a model file say.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "langevin/sample/ddim.h"
#include "langevin/sample/ddpm.h"
#include "langevin/sample/observer.h"
#include "langevin/sample/timestep_grid.h"

namespace langevin {

class Schema;  // core/config.h

struct SamplerConfig {
  std::string name = "ddim";             // ddpm, ddim
  int64_t steps = 50;                    // calls of the denoiser, 1 to T
  std::string spacing = "trailing";      // leading, trailing, linspace
  int64_t steps_offset = 0;              // leading only, >= 0
  std::string variance = "fixed_small";  // ddpm: fixed_small, fixed_large
  double eta = 0;                        // ddim: in [0, 1]
  bool set_alpha_to_one = true;          // ddim
  bool compat_diffusers = false;         // ddim

  bool operator==(const SamplerConfig&) const = default;
};

std::vector<std::string> sampler_names();

/// Registers the fields of `config` under "<prefix>name", ...
void add_fields(Schema& schema, SamplerConfig& config, const std::string& prefix = "sampler.");

/// Throws Error: unknown sampler, spacing or variance (naming the nearest), steps, offset or eta out of
/// range.
void check_sampler(const SamplerConfig& config, int64_t T);

/// From x_T (B, ...) ~ N(0, I) (initial_noise) to x_0. Throws as check_sampler does, and what the denoiser
/// throws.
template <Array A>
A run_sampler(const SamplerConfig& config, const Denoiser<A>& denoiser, const Schedule& schedule, A x_T,
              const SampleContext<A>& context = {}) {
  check_sampler(config, schedule.T());
  const auto timesteps =
      timestep_grid(schedule.T(), config.steps, spacing(config.spacing), config.steps_offset);
  if (config.name == "ddpm") {
    const DdpmOptions options{ddpm_variance_type(config.variance)};
    return ddpm(denoiser, schedule, std::move(x_T), timesteps, options, context);
  }
  const DdimOptions options{config.eta, config.set_alpha_to_one, config.compat_diffusers};
  return ddim(denoiser, schedule, std::move(x_T), timesteps, options, context);
}

}  // namespace langevin
