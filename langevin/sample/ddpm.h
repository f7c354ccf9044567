// Ancestral sampling: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", arXiv:2006.11239,
// algorithm 2.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "langevin/diffusion/process.h"
#include "langevin/diffusion/variance.h"
#include "langevin/sample/observer.h"
#include "langevin/sample/timestep_grid.h"

namespace langevin {

struct DdpmOptions {
  DdpmVariance variance = DdpmVariance::fixed_small;
};

/// sqrt(variance) z of a step between two levels (alpha_bar_s < 1), element by element where the variance is
/// learned. Error: a learned variance of a prediction that has none.
template <Array A>
A step_noise_of(const Prediction<A>& prediction, double alpha_bar_s, double alpha_bar_t, DdpmVariance type,
                const A& z) {
  if (type != DdpmVariance::learned_range)
    return lincomb(std::sqrt(ddpm_variance(alpha_bar_s, alpha_bar_t, type)), z);
  check(prediction.variance.has_value(), "ddpm",
        "the model has no learned variance; give --variance fixed_small or fixed_large");
  const LogVarianceRange range = log_variance_range(alpha_bar_s, alpha_bar_t);
  // Half the log variance: slope v + offset.
  const double slope = 0.25 * (range.hi - range.lo);
  return exp_scaled(z, *prediction.variance, slope, 0.5 * range.lo + slope);
}

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
      const A noise =
          step_noise_of(prediction, alpha_bar_s, alpha_bar_t, options.variance, step_noise(x, context, step));
      x = lincomb(mean.x0, prediction.x0, mean.x_t, x, 1.0, noise);
    }
  }
  return x;
}

}  // namespace langevin
