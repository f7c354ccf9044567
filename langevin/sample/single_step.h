// Samplers by name, one step at a time: for walks that go back up on their way (repaint.h).
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>

#include "langevin/sample/repaint.h"
#include "langevin/sample/sampler.h"

namespace langevin {

/// Calls of the denoiser in a repaint() over that grid.
int64_t repaint_calls(const SamplerConfig& config, const PointGrid& grid, const RepaintOptions& options);

/// DDIM between two levels of any path, which may be without signal: alpha_s x0 + sqrt(sigma_s^2 - d^2) eps +
/// d z with d = eta times the deviation of q(x_s | x_t, x_0) (2010.02502, eq. 12). eta = 1 is ddpm() with
/// fixed_small.
template <Array A>
A ddim_between(const Prediction<A>& p, const PathPoint& from, const PathPoint& to, double eta,
               const SampleContext<A>& context) {
  const double kept = from.alpha / to.alpha * to.sigma;
  const double added = std::max(0.0, from.sigma * from.sigma - kept * kept);  // sigma_{t|s}^2
  const double d = eta * std::sqrt(added) * to.sigma / from.sigma;
  const double direction = std::sqrt(std::max(0.0, to.sigma * to.sigma - d * d));
  return d > 0 ? lincomb(to.alpha, p.x0, direction, p.eps, d, step_noise(p.x0, context, 0))
               : lincomb(to.alpha, p.x0, direction, p.eps);
}

/// One step of ddpm() between two levels of a schedule.
template <Array A>
A ddpm_between(const Prediction<A>& p, const A& x, const PathPoint& from, const PathPoint& to,
               DdpmVariance variance, const SampleContext<A>& context) {
  const double alpha_bar_t = from.alpha * from.alpha, alpha_bar_s = to.alpha * to.alpha;
  const PosteriorCoefs mean = posterior_between(alpha_bar_s, alpha_bar_t);
  if (!(to.sigma > 0)) return lincomb(mean.x0, p.x0, mean.x_t, x);
  const A noise = step_noise_of(p, alpha_bar_s, alpha_bar_t, variance, step_noise(x, context, 0));
  return lincomb(mean.x0, p.x0, mean.x_t, x, 1.0, noise);
}

/// A step of the sampler on its own, on a path; `steps` of the whole grid are what churn is shared among.
/// Error for one that remembers earlier steps (SamplerInfo::alone).
template <Array A>
SingleStep<A> single_step(SamplerConfig config, const NoisePath& path, int64_t steps = 1) {
  check_alone(config.name);
  if (config.name == "ddim" || config.name == "ddpm") {
    return [config](const Denoiser<A>& denoiser, A x, const PathPoint& from, const PathPoint& to,
                    const SampleContext<A>& context) {
      const Prediction<A> p = denoiser(x, from.t, context.cond);
      if (config.name == "ddim") return ddim_between(p, from, to, sampler_eta(config), context);
      return ddpm_between(p, x, from, to, ddpm_variance_type(config.variance), context);
    };
  }
  config.s_churn /= static_cast<double>(steps);
  return [config, path](const Denoiser<A>& denoiser, A x, const PathPoint& from, const PathPoint& to,
                        const SampleContext<A>& context) {
    return run_on_grid(config, denoiser, path, std::move(x), {from, to}, context);
  };
}

}  // namespace langevin
