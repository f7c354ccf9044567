// Euler steps along the probability flow, and Karras et al. 2022's churn (arXiv:2206.00364, algorithm 2).
//
// With xh = x / alpha and rho = sigma / alpha the flow is d xh / d rho = eps (eq. 1 with sigma(t) = rho), on
// any noise path. A step of Euler is then a step of DDIM with eta = 0.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "langevin/sample/run.h"
#include "langevin/sample/sampler_grid.h"

namespace langevin {

/// Noise put back before a step, gamma = min(churn / steps, sqrt(2) - 1) of rho where t_min <= rho <= t_max.
struct ChurnOptions {
  double churn = 0;  // S_churn >= 0; 0 deterministic
  double t_min = 0;  // S_tmin, in rho
  double t_max = std::numeric_limits<double>::infinity();
  double noise = 1;  // S_noise > 0: standard deviation of the noise put back
};

/// Throws Error unless the options are in range.
void check_churn(const ChurnOptions& options);

/// The level that step of `steps` begins at after churn: `point` itself where there is none. Never noisier
/// than the path goes.
PathPoint churned(const NoisePath& path, const PathPoint& point, const ChurnOptions& options, int64_t steps);

/// x moved from one level to another with eps held: alpha_s (x / alpha_t + (rho_s - rho_t) eps).
template <Array A>
A flow_step(const A& x, const A& eps, const PathPoint& from, const PathPoint& to) {
  return lincomb(to.alpha / from.alpha, x, to.alpha * (to.rho() - from.rho()), eps);
}

/// x raised from a level to a noisier one.
template <Array A>
A add_noise(const A& x, const PathPoint& from, const PathPoint& to, double scale,
            const SampleContext<A>& context, int64_t step) {
  const double spread = std::sqrt(to.rho() * to.rho() - from.rho() * from.rho());
  return lincomb(to.alpha / from.alpha, x, to.alpha * spread * scale, step_noise(x, context, step));
}

/// x at grid[0] to x at the grid's end; first order. One call a step.
template <Array A>
A euler(const Denoiser<A>& denoiser, const NoisePath& path, A x, const PointGrid& grid,
        const ChurnOptions& options = {}, const SampleContext<A>& context = {}) {
  check_points(grid, "euler", true);
  check_churn(options);
  check_cond(x, context.cond);
  const auto steps = static_cast<int64_t>(grid.size()) - 1;
  DenoiserRun<A> run(denoiser, context, steps);
  for (int64_t step = 0; step < steps; ++step) {
    const PathPoint &point = grid[static_cast<size_t>(step)], &to = grid[static_cast<size_t>(step + 1)];
    const PathPoint from = churned(path, point, options, steps);
    if (from.sigma != point.sigma) x = add_noise(x, point, from, options.noise, context, step);
    const Prediction<A> p = run(x, from.t);
    if (run.stopped()) return p.x0;
    x = flow_step(x, p.eps, from, to);
  }
  return x;
}

}  // namespace langevin
