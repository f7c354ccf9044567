// Ancestral sampling: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", arXiv:2006.11239,
// algorithm 2.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "langevin/diffusion/process.h"
#include "langevin/sample/observer.h"
#include "langevin/sample/timestep_grid.h"

namespace langevin {

/// sigma_t^2 of p(x_s | x_t) (section 3.2). fixed_small, the posterior's variance, is best when x_0 is one
/// known point; fixed_large, beta_t, when x_0 ~ N(0, I); the truth lies between the two.
enum class DdpmVariance { fixed_small, fixed_large };

std::string to_string(DdpmVariance variance);
DdpmVariance ddpm_variance_type(const std::string& name);  // Error names the nearest
std::vector<std::string> ddpm_variance_types();

/// The variance of a step from alphas_cumprod alpha_bar_t to alpha_bar_s (s < t; s = clean data: 1), at least
/// 1e-20 as in diffusers. fixed_large is beta between the two levels, 1 - alpha_bar_t / alpha_bar_s.
double ddpm_variance(double alpha_bar_s, double alpha_bar_t, DdpmVariance type);

struct DdpmOptions {
  DdpmVariance variance = DdpmVariance::fixed_small;
};

/// From x_T (B, ...) ~ N(0, I) down the grid (strictly falling, timestep_grid.h; all of T-1..0 is the paper's
/// algorithm) to x_0. At each t, with s the next timestep or clean data after the last:
///   x_s = mean of q(x_s | x_t, x0 estimate) + sqrt(variance) z,   no z in the last step
template <Array A>
A ddpm(const Denoiser<A>& denoiser, const Schedule& schedule, A x_T, const std::vector<int64_t>& timesteps,
       const DdpmOptions& options = {}, const SampleContext<A>& context = {}) {
  check_grid(timesteps, schedule.T(), "ddpm");
  check_cond(x_T, context.cond);
  const auto steps = static_cast<int64_t>(timesteps.size());
  A x = std::move(x_T);
  for (int64_t step = 0; step < steps; ++step) {
    const int64_t t = timesteps[static_cast<size_t>(step)];
    const bool last = step + 1 == steps;
    const int64_t s = last ? -1 : timesteps[static_cast<size_t>(step + 1)];
    Prediction<A> prediction = denoiser(x, static_cast<double>(t), context.cond);
    if (!observe(context, {step, steps, static_cast<double>(t), x, prediction.x0})) return prediction.x0;

    const double alpha_bar_t = schedule.alpha_bar(t), alpha_bar_s = schedule.alpha_bar(s);
    const PosteriorCoefs mean = posterior_between(alpha_bar_s, alpha_bar_t);
    if (last) {
      x = lincomb(mean.x0, prediction.x0, mean.x_t, x);
    } else {
      const double stddev = std::sqrt(ddpm_variance(alpha_bar_s, alpha_bar_t, options.variance));
      x = lincomb(mean.x0, prediction.x0, mean.x_t, x, stddev, step_noise(x, context, step));
    }
  }
  return x;
}

}  // namespace langevin
