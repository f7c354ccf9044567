// Denoising diffusion implicit models: Song, Meng & Ermon 2020, arXiv:2010.02502.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "langevin/diffusion/schedule.h"
#include "langevin/sample/observer.h"
#include "langevin/sample/timestep_grid.h"

namespace langevin {

struct DdimOptions {
  double eta = 0;  // in [0, 1]: 0 deterministic, 1 as noisy as DDPM with fixed_small
  /// The last step goes to clean data (true) or to the level of t = 0 (false; Stable Diffusion's files say
  /// so).
  bool set_alpha_to_one = true;
  /// Step to level t - T / steps as diffusers does, whatever the grid's next timestep is. The two differ for
  /// linspace and wherever steps does not divide T; only for comparing with files made there.
  bool compat_diffusers = false;
  int64_t whole_steps = 0;  // compat_diffusers: steps of the grid that this one is the end of; 0: its own
};

/// sigma_t(eta) of a step from alphas_cumprod alpha_bar_t to alpha_bar_s (eq. 16):
///   eta sqrt((1 - alpha_bar_s) / (1 - alpha_bar_t)) sqrt(1 - alpha_bar_t / alpha_bar_s)
double ddim_sigma(double alpha_bar_s, double alpha_bar_t, double eta);

/// alphas_cumprod of the level that step `step` of the grid goes to.
double ddim_next_alpha_bar(const Schedule& schedule, const std::vector<int64_t>& timesteps, int64_t step,
                           const DdimOptions& options);

/// From x_T (B, ...) ~ N(0, I) down the grid (strictly falling, timestep_grid.h) to x_0. At each t, with s
/// the next level and z ~ N(0, I) (eq. 12):
///   x_s = sqrt(alpha_bar_s) x0 + sqrt(1 - alpha_bar_s - sigma^2) eps + sigma z
/// A denoiser that clips x0 but keeps eps (threshold.h) steps as diffusers does with clip_sample.
template <Array A>
A ddim(const Denoiser<A>& denoiser, const Schedule& schedule, A x_T, const std::vector<int64_t>& timesteps,
       const DdimOptions& options = {}, const SampleContext<A>& context = {}) {
  check_grid(timesteps, schedule.T(), "ddim");
  check_cond(x_T, context.cond);
  check(options.eta >= 0 && options.eta <= 1, "ddim", "eta must be in [0, 1], got {}", options.eta);
  const auto steps = static_cast<int64_t>(timesteps.size());
  A x = std::move(x_T);
  for (int64_t step = 0; step < steps; ++step) {
    const int64_t t = timesteps[static_cast<size_t>(step)];
    const Prediction<A> prediction = denoiser(x, static_cast<double>(t), context.cond);
    if (!observe(context, {step, steps, static_cast<double>(t), x, prediction.x0})) return prediction.x0;

    const double alpha_bar_s = ddim_next_alpha_bar(schedule, timesteps, step, options);
    const double sigma = ddim_sigma(alpha_bar_s, schedule.alpha_bar(t), options.eta);
    const double signal = std::sqrt(alpha_bar_s);
    const double direction = std::sqrt(std::max(0.0, 1 - alpha_bar_s - sigma * sigma));
    x = sigma > 0
            ? lincomb(signal, prediction.x0, direction, prediction.eps, sigma, step_noise(x, context, step))
            : lincomb(signal, prediction.x0, direction, prediction.eps);
  }
  return x;
}

}  // namespace langevin
