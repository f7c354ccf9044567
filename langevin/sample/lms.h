// Linear multistep: Adams-Bashforth with the steps as they are, in the coordinates of euler.h. The flow
// d xh / d rho = eps is integrated with the polynomial in rho through the last values of eps (Hairer, Norsett
// & Wanner, "Solving Ordinary Differential Equations I", section III.5).
#pragma once

#include <algorithm>

#include "langevin/sample/euler.h"

namespace langevin {

/// Weights of the last values of eps, the newest first, in xh's step from grid[step] to grid[step + 1].
std::vector<double> lms_weights(const PointGrid& grid, int64_t step, int64_t order);

/// x at grid[0] to x at the grid's end, one call a step, order 1 (Euler) to 4 once that many values are
/// there.
template <Array A>
A lms(const Denoiser<A>& denoiser, A x, const PointGrid& grid, int64_t order = 4,
      const SampleContext<A>& context = {}) {
  check_points(grid, "lms", true);
  check(order >= 1 && order <= 4, "lms", "order must be 1 to 4, got {}", order);
  check_cond(x, context.cond);
  const auto steps = static_cast<int64_t>(grid.size()) - 1;
  DenoiserRun<A> run(denoiser, context, steps);
  std::vector<A> history;
  for (int64_t step = 0; step < steps; ++step) {
    const PathPoint &from = grid[static_cast<size_t>(step)], &to = grid[static_cast<size_t>(step + 1)];
    Prediction<A> p = run(x, from.t);
    if (run.stopped()) return p.x0;
    remember(history, std::move(p.eps), static_cast<size_t>(order));
    std::vector<double> weights = lms_weights(grid, step, std::min(order, step + 1));
    for (double& w : weights) w *= to.alpha;
    x = weighted_sum(to.alpha / from.alpha, x, weights, history);
  }
  return x;
}

}  // namespace langevin
