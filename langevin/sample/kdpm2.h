// DPM2 of Karras et al. 2022, arXiv:2206.00364 (the second-order solver of its appendix D with the midpoint
// at the geometric mean of the two levels), which is DPM-Solver-2 of 2206.00927 in the variable rho.
#pragma once

#include "langevin/sample/ancestral.h"

namespace langevin {

/// x at grid[0] to x at the grid's end. Two calls a step, one in a step that ends on clean data. eta = 0 is
/// deterministic and second order; eta in (0, 1] is the ancestral variant, with the midpoint between rho_t
/// and the level below rho_s.
template <Array A>
A kdpm2(const Denoiser<A>& denoiser, const NoisePath& path, A x, const PointGrid& grid, double eta = 0,
        const SampleContext<A>& context = {}) {
  check_points(grid, "kdpm2", true);
  check_cond(x, context.cond);
  const auto steps = static_cast<int64_t>(grid.size()) - 1;
  DenoiserRun<A> run(denoiser, context, calls_of(grid, 2));
  for (int64_t step = 0; step < steps; ++step) {
    const PathPoint &from = grid[static_cast<size_t>(step)], &to = grid[static_cast<size_t>(step + 1)];
    const Prediction<A> p = run(x, from.t);
    if (run.stopped()) return p.x0;
    const AncestralStep a = ancestral_step(from.rho(), to.rho(), eta);
    const double of_x = to.alpha / from.alpha, of_eps = to.alpha * (a.rho_down - from.rho());
    if (!(to.sigma > 0)) {
      x = lincomb(of_x, x, of_eps, p.eps);
      continue;
    }
    const PathPoint middle = path.at_lambda(-0.5 * (std::log(from.rho()) + std::log(a.rho_down)));
    const Prediction<A> q = run(flow_step(x, p.eps, from, middle), middle.t);
    if (run.stopped()) return q.x0;
    x = a.rho_up > 0 ? lincomb(of_x, x, of_eps, q.eps, to.alpha * a.rho_up, step_noise(x, context, step))
                     : lincomb(of_x, x, of_eps, q.eps);
  }
  return x;
}

}  // namespace langevin
