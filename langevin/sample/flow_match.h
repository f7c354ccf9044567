// Euler and Heun along straight lines: the sampling of flow matching (Lipman et al. 2022, arXiv:2210.02747;
// Liu et al. 2022, arXiv:2209.03003), dx/dt = v = eps - x_0.
//
// Any noise path is a flow path after a change of variables: y = x / (alpha + sigma) = (1 - u) x_0 + u eps
// with u = sigma / (alpha + sigma), so dy/du = eps - x_0. On flow_path itself y = x and u = t.
#pragma once

#include "langevin/sample/run.h"
#include "langevin/sample/sampler_grid.h"

namespace langevin {

/// y moved from u_t to u_s with v = eps - x0 held, given as x.
template <Array A>
A straight_step(const A& x, const A& eps, const A& x0, const PathPoint& from, const PathPoint& to) {
  const double at = from.alpha + from.sigma, next = to.alpha + to.sigma;
  const double du = to.sigma / next - from.sigma / at;
  return lincomb(next / at, x, next * du, eps, -next * du, x0);
}

/// x at grid[0] to x at the grid's end; first order, one call a step. On flow_path x += (s - t) v. In exact
/// arithmetic this is euler() (which is DDIM): both hold x0 and eps.
template <Array A>
A flow_euler(const Denoiser<A>& denoiser, A x, const PointGrid& grid, const SampleContext<A>& context = {}) {
  check_points(grid, "flow_euler");
  check_cond(x, context.cond);
  DenoiserRun<A> run(denoiser, context, calls_of(grid, 1));
  for (size_t step = 0; step + 1 < grid.size(); ++step) {
    const Prediction<A> p = run(x, grid[step].t);
    if (run.stopped()) return p.x0;
    x = straight_step(x, p.eps, p.x0, grid[step], grid[step + 1]);
  }
  return x;
}

/// The mean of v at both ends of a step: second order, two calls, one in a step that ends on clean data.
template <Array A>
A flow_heun(const Denoiser<A>& denoiser, A x, const PointGrid& grid, const SampleContext<A>& context = {}) {
  check_points(grid, "flow_heun");
  check_cond(x, context.cond);
  DenoiserRun<A> run(denoiser, context, calls_of(grid, 2));
  for (size_t step = 0; step + 1 < grid.size(); ++step) {
    const PathPoint &from = grid[step], &to = grid[step + 1];
    const Prediction<A> p = run(x, from.t);
    if (run.stopped()) return p.x0;
    A next = straight_step(x, p.eps, p.x0, from, to);
    if (to.sigma > 0) {
      const Prediction<A> q = run(next, to.t);
      if (run.stopped()) return q.x0;
      next = straight_step(x, lincomb(0.5, p.eps, 0.5, q.eps), lincomb(0.5, p.x0, 0.5, q.x0), from, to);
    }
    x = std::move(next);
  }
  return x;
}

}  // namespace langevin
