// Heun's method with churn: Karras et al. 2022, arXiv:2206.00364, algorithm 2. The coordinates are those of
// euler.h.
#pragma once

#include "langevin/sample/euler.h"

namespace langevin {

/// x at grid[0] to x at the grid's end; second order without churn. Two calls a step, one in a step that ends
/// on clean data (that one is Euler's).
template <Array A>
A heun(const Denoiser<A>& denoiser, const NoisePath& path, A x, const PointGrid& grid,
       const ChurnOptions& options = {}, const SampleContext<A>& context = {}) {
  check_points(grid, "heun", true);
  check_churn(options);
  check_cond(x, context.cond);
  const auto steps = static_cast<int64_t>(grid.size()) - 1;
  DenoiserRun<A> run(denoiser, context, calls_of(grid, 2));
  for (int64_t step = 0; step < steps; ++step) {
    const PathPoint &point = grid[static_cast<size_t>(step)], &to = grid[static_cast<size_t>(step + 1)];
    const PathPoint from = churned(path, point, options, steps);
    if (from.sigma != point.sigma) x = add_noise(x, point, from, options.noise, context, step);
    const Prediction<A> p = run(x, from.t);
    if (run.stopped()) return p.x0;
    A next = flow_step(x, p.eps, from, to);
    if (to.sigma > 0) {
      const Prediction<A> q = run(next, to.t);
      if (run.stopped()) return q.x0;
      next = flow_step(x, lincomb(0.5, p.eps, 0.5, q.eps), from, to);
    }
    x = std::move(next);
  }
  return x;
}

}  // namespace langevin
