// PNDM: Liu et al. 2022, "Pseudo Numerical Methods for Diffusion Models on Manifolds", arXiv:2202.09778.
// Classical methods for eps over an even grid of t, each followed by DDIM's step (the transfer part, eq. 11).
#pragma once

#include <algorithm>

#include "langevin/sample/euler.h"

namespace langevin {

struct PndmOptions {
  /// false: three steps of the pseudo Runge-Kutta method of order 4 come first (eq. 13; four calls each).
  /// true: the pseudo improved Euler method takes the first step (two calls), as in Stable Diffusion's files.
  bool skip_prk_steps = true;
};

/// Calls of the denoiser over that grid.
int64_t pndm_calls(const PointGrid& grid, const PndmOptions& options);

/// Adams-Bashforth weights for even steps of 1 to 4 values, the newest first (eq. 12).
std::vector<double> pndm_weights(size_t values);

/// One step of the pseudo Runge-Kutta method (eq. 13). Puts eps at `from` into `first`. Where the observer
/// stops the run, the result is x0.
template <Array A>
A prk_step(DenoiserRun<A>& run, const NoisePath& path, const A& x, const PathPoint& from, const PathPoint& to,
           A& first) {
  const PathPoint middle = path.at(0.5 * (from.t + to.t));
  const Prediction<A> p1 = run(x, from.t);
  if (run.stopped()) return p1.x0;
  const Prediction<A> p2 = run(flow_step(x, p1.eps, from, middle), middle.t);
  if (run.stopped()) return p2.x0;
  const Prediction<A> p3 = run(flow_step(x, p2.eps, from, middle), middle.t);
  if (run.stopped()) return p3.x0;
  const Prediction<A> p4 = run(flow_step(x, p3.eps, from, to), to.t);
  if (run.stopped()) return p4.x0;
  first = p1.eps;
  const A inner = lincomb(1.0 / 3, p2.eps, 1.0 / 3, p3.eps);
  return flow_step(x, lincomb(1.0 / 6, p1.eps, 1.0, inner, 1.0 / 6, p4.eps), from, to);
}

/// x at grid[0] to x at the grid's end. The grid should be even in t (the methods assume it); second order,
/// since the transfer part is. Throws for fewer than 4 steps with the Runge-Kutta start, 2 without.
template <Array A>
A pndm(const Denoiser<A>& denoiser, const NoisePath& path, A x, const PointGrid& grid,
       const PndmOptions& options = {}, const SampleContext<A>& context = {}) {
  check_points(grid, "pndm", true);
  check_cond(x, context.cond);
  const auto steps = static_cast<int64_t>(grid.size()) - 1;
  DenoiserRun<A> run(denoiser, context, pndm_calls(grid, options));
  std::vector<A> history;
  for (int64_t step = 0; step < steps; ++step) {
    const PathPoint &from = grid[static_cast<size_t>(step)], &to = grid[static_cast<size_t>(step + 1)];
    if (!options.skip_prk_steps && step < 3) {
      A first = x;
      x = prk_step(run, path, x, from, to, first);
      if (run.stopped()) return x;
      remember(history, std::move(first), 4);
      continue;
    }
    Prediction<A> p = run(x, from.t);
    if (run.stopped()) return p.x0;
    remember(history, std::move(p.eps), 4);
    if (step == 0) {  // improved Euler
      const Prediction<A> q = run(flow_step(x, history[0], from, to), to.t);
      if (run.stopped()) return q.x0;
      x = flow_step(x, lincomb(0.5, history[0], 0.5, q.eps), from, to);
      continue;
    }
    const std::vector<double> w = pndm_weights(history.size());
    std::vector<double> weights;
    for (double value : w) weights.push_back(value * to.alpha * (to.rho() - from.rho()));
    x = weighted_sum(to.alpha / from.alpha, x, weights, history);
  }
  return x;
}

}  // namespace langevin
