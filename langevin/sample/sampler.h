// Samplers by name: what `--sampler` and a model file say.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "langevin/diffusion/target.h"
#include "langevin/sample/ancestral.h"
#include "langevin/sample/ddim.h"
#include "langevin/sample/ddpm.h"
#include "langevin/sample/deis.h"
#include "langevin/sample/dpm_solver.h"
#include "langevin/sample/dpm_solver_single.h"
#include "langevin/sample/flow_match.h"
#include "langevin/sample/heun.h"
#include "langevin/sample/image_to_image.h"
#include "langevin/sample/kdpm2.h"
#include "langevin/sample/lcm.h"
#include "langevin/sample/lms.h"
#include "langevin/sample/pndm.h"
#include "langevin/sample/sampler_info.h"
#include "langevin/sample/unipc.h"

namespace langevin {

class Schema;  // core/config.h

/// A field is read by the samplers named beside it.
struct SamplerConfig {
  std::string name = "ddim";  // one of sampler_names()
  int64_t steps = 50;         // of the grid, 1 to T; sampler_calls() says how often the denoiser is called
  /// How far up the walk begins: 1 from pure noise; below, from x_0 noised to sampler_points().front().
  double strength = 1;                   // in [0, 1]; 0: no step at all
  std::string spacing = "trailing";      // one of grid_kinds()
  int64_t steps_offset = 0;              // leading only, >= 0
  std::string variance = "fixed_small";  // ddpm: ddpm_variance_types()
  double eta = -1;                       // ddim, .._ancestral: noise, in [0, 1]; -1: sampler_eta
  bool set_alpha_to_one = true;          // the last step goes to clean data, else to the level of t = 0
  bool compat_diffusers = false;         // grids and steps of diffusers 0.21, and of it alone:
  std::string peer_spacing = "";  //   the timesteps between whose levels a karras grid lies; "": linspace
  std::string final_level = "";   //   where the grid ends: zero, sigma_min (t = 0); "": as 0.21 has it

  int64_t order = 0;        // of the samplers that have one; 0: the usual one (sampler_order)
  std::string solver = "";  // dpmsolver..: midpoint, heun; unipc: bh1, bh2; deis: tab, log_rho; "": the first
  bool lower_order_final = true;  // dpmsolver.., deis, unipc
  double karras_rho = 7;          // karras spacing
  double sigma_min = 0;           // karras, exponential, log_snr: sigma / alpha; 0: the path's
  double sigma_max = 0;           //   the same
  double s_churn = 0;             // euler, heun: noise put back, >= 0
  double s_tmin = 0;              //   at sigma / alpha from here
  double s_tmax = 1e9;            //   to here
  double s_noise = 1;             //   times this
  bool skip_prk_steps = true;     // pndm
  int64_t original_steps = 50;    // lcm: DDIM steps of its distillation; at most T
  double shift = 1;               // flow-matching models: moves the grid to the noise where above 1

  bool operator==(const SamplerConfig&) const = default;
};

std::vector<std::string> sampler_names();

/// Registers the fields of `config` under "<prefix>name", ...
void add_fields(Schema& schema, SamplerConfig& config, const std::string& prefix = "sampler.");

/// Throws Error: unknown sampler, spacing, variance or solver (naming the nearest), steps, offset, eta,
/// order,
/// .. out of range.
void check_sampler(const SamplerConfig& config, int64_t T);

/// The same on a path: on a continuous one (EDM, flow matching) also what visits timesteps, and on one whose
/// noisiest level has no signal what cannot start there.
void check_sampler(const SamplerConfig& config, const NoisePath& path);

/// What a model on that path is sampled with where nothing is asked for: ddim on timesteps, EDM's heun on
/// Karras' grid, and flow_heun where noise has no signal in it.
SamplerConfig usual_sampler(const NoisePath& path);
/// Steps and spacing where only the sampler's name is asked for.
int64_t usual_steps(const std::string& name, const NoisePath& path);
std::string usual_spacing(const NoisePath& path);

/// The order used: config.order, or where that is 0 the usual one. 1 for samplers without a choice.
int64_t sampler_order(const SamplerConfig& config);

/// The eta used: config.eta, or where that is -1 the usual one, 1 for .._ancestral and 0 for ddim.
double sampler_eta(const SamplerConfig& config);

/// Calls of the denoiser in the whole run from pure noise: `steps`, and more for samplers that look twice
/// (heun: 2 steps - 1). At most that on a schedule with zero terminal SNR, and with a peer's Karras grid.
int64_t sampler_calls(const SamplerConfig& config);
/// Exactly, of a run over those points, whatever the strength.
int64_t sampler_calls(const SamplerConfig& config, const PointGrid& grid);

/// The grid that the config means on a schedule or on a continuous path, cut to the strength; a single point,
/// clean data, where that leaves nothing to do.
PointGrid sampler_points(const SamplerConfig& config, const Schedule& schedule);
PointGrid sampler_points(const SamplerConfig& config, const NoisePath& path);
PointGrid sampler_points(const SamplerConfig& config, const Target& target);
/// Of ddpm and ddim, which visit timesteps; empty where nothing is left to do.
std::vector<int64_t> sampler_timesteps(const SamplerConfig& config, int64_t T);

/// What x_T ~ N(0, I) is multiplied with at the start: the standard deviation that x has there when the data
/// has unit variance. 1 on a schedule and at the start of a flow; compat_diffusers has sigma.
double starting_scale(const SamplerConfig& config, const PathPoint& start);

ChurnOptions churn_options(const SamplerConfig& config);
DpmSolverOptions dpm_options(const SamplerConfig& config);
DpmSingleOptions dpm_single_options(const SamplerConfig& config);
UniPcOptions unipc_options(const SamplerConfig& config);
DeisOptions deis_options(const SamplerConfig& config);

/// Any sampler but ddpm and ddim, from x at grid[0].
template <Array A>
A run_on_grid(const SamplerConfig& config, const Denoiser<A>& denoiser, const NoisePath& path, A x,
              const PointGrid& grid, const SampleContext<A>& context) {
  const std::string& name = config.name;
  if (name == "euler") return euler(denoiser, path, std::move(x), grid, churn_options(config), context);
  if (name == "heun") return heun(denoiser, path, std::move(x), grid, churn_options(config), context);
  if (name == "euler_ancestral")
    return euler_ancestral(denoiser, std::move(x), grid, sampler_eta(config), context);
  if (name == "kdpm2") return kdpm2(denoiser, path, std::move(x), grid, 0, context);
  if (name == "kdpm2_ancestral")
    return kdpm2(denoiser, path, std::move(x), grid, sampler_eta(config), context);
  if (name == "lms") return lms(denoiser, std::move(x), grid, sampler_order(config), context);
  if (name == "pndm") return pndm(denoiser, path, std::move(x), grid, {config.skip_prk_steps}, context);
  if (name == "deis") return deis(denoiser, path, std::move(x), grid, deis_options(config), context);
  if (name == "unipc") return unipc(denoiser, std::move(x), grid, unipc_options(config), context);
  if (name == "lcm") return lcm(denoiser, std::move(x), grid, {}, context);
  if (name == "flow_euler") return flow_euler(denoiser, std::move(x), grid, context);
  if (name == "flow_heun") return flow_heun(denoiser, std::move(x), grid, context);
  if (name.ends_with("_single"))
    return dpm_solver_single(denoiser, path, std::move(x), grid, dpm_single_options(config), context);
  return dpm_solver(denoiser, std::move(x), grid, dpm_options(config), context);
}

/// From x (B, ...) to x_0. x is noise ~ N(0, I) (initial_noise); with a strength below 1 it is x_0 as
/// noised_to(sampler_points().front(), ..) has it. Throws as check_sampler does, and what the denoiser
/// throws.
template <Array A>
A run_sampler(const SamplerConfig& config, const Denoiser<A>& denoiser, const Schedule& schedule, A x,
              const SampleContext<A>& context = {}) {
  check_sampler(config, schedule.T());
  if (config.name == "ddpm" || config.name == "ddim") {
    const auto timesteps = sampler_timesteps(config, schedule.T());
    if (timesteps.empty()) return x;
    if (config.name == "ddpm") {
      const DdpmOptions options{ddpm_variance_type(config.variance)};
      return ddpm(denoiser, schedule, std::move(x), timesteps, options, context);
    }
    const DdimOptions options{sampler_eta(config), config.set_alpha_to_one, config.compat_diffusers,
                              config.steps};
    return ddim(denoiser, schedule, std::move(x), timesteps, options, context);
  }
  const PointGrid grid = sampler_points(config, schedule);
  if (grid.size() < 2) return x;
  const double scale = config.strength < 1 ? 1 : starting_scale(config, grid.front());
  if (scale != 1) x = lincomb(scale, x);
  return run_on_grid(config, denoiser, discrete_path(schedule), std::move(x), grid, context);
}

/// The same on a continuous path (EDM, flow matching); not for ddpm, ddim and lcm, which visit timesteps.
template <Array A>
A run_sampler(const SamplerConfig& config, const Denoiser<A>& denoiser, const NoisePath& path, A x,
              const SampleContext<A>& context = {}) {
  const PointGrid grid = sampler_points(config, path);
  if (grid.size() < 2) return x;
  if (config.strength == 1) x = lincomb(starting_scale(config, grid.front()), x);
  return run_on_grid(config, denoiser, path, std::move(x), grid, context);
}

/// On the path of a target.
template <Array A>
A run_sampler(const SamplerConfig& config, const Denoiser<A>& denoiser, const Target& target, A x,
              const SampleContext<A>& context = {}) {
  return target.schedule() ? run_sampler(config, denoiser, *target.schedule(), std::move(x), context)
                           : run_sampler(config, denoiser, target.path(), std::move(x), context);
}

}  // namespace langevin
