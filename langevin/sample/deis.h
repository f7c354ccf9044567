// DEIS: Zhang & Chen 2022, "Fast Sampling of Diffusion Models with Exponential Integrator", arXiv:2204.13902.
// The flow d xh / d rho = eps (euler.h) is integrated with a polynomial through the last values of eps:
//   tab      polynomial in t (tAB-DEIS, eq. 14 and 15: the paper's best)
//   log_rho  polynomial in log rho (what diffusers' DEIS does; the same as DPM-Solver's noise form with
//            midpoint = false)
#pragma once

#include <algorithm>

#include "langevin/sample/run.h"
#include "langevin/sample/sampler_grid.h"

namespace langevin {

struct DeisOptions {
  int64_t order = 3;  // values used, 1 (DDIM) to 3
  bool log_rho = false;
  bool lower_order_final = true;  // below 15 steps, as dpm_solver
};

/// Weights of the last values of eps, the newest first, in xh's step from grid[step]. Into clean data the
/// last value alone counts.
std::vector<double> deis_weights(const NoisePath& path, const PointGrid& grid, int64_t step,
                                 const DeisOptions& options);

/// x at grid[0] to x at the grid's end, one call a step.
template <Array A>
A deis(const Denoiser<A>& denoiser, const NoisePath& path, A x, const PointGrid& grid,
       const DeisOptions& options = {}, const SampleContext<A>& context = {}) {
  check_points(grid, "deis", true);
  check(options.order >= 1 && options.order <= 3, "deis", "order must be 1 to 3, got {}", options.order);
  check_cond(x, context.cond);
  const auto steps = static_cast<int64_t>(grid.size()) - 1;
  DenoiserRun<A> run(denoiser, context, steps);
  std::vector<A> history;
  for (int64_t step = 0; step < steps; ++step) {
    const PathPoint &from = grid[static_cast<size_t>(step)], &to = grid[static_cast<size_t>(step + 1)];
    Prediction<A> p = run(x, from.t);
    if (run.stopped()) return p.x0;
    remember(history, std::move(p.eps), static_cast<size_t>(options.order));
    std::vector<double> weights = deis_weights(path, grid, step, options);
    for (double& w : weights) w *= to.alpha;
    x = weighted_sum(to.alpha / from.alpha, x, weights, history);
  }
  return x;
}

}  // namespace langevin
