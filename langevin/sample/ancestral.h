// Ancestral steps in Karras' coordinates: a deterministic step below the next level, then noise up to it, so
// that x has that level's marginal (Song et al. 2020, arXiv:2011.13456, appendix F: the ancestral sampler of
// the variance exploding SDE).
#pragma once

#include "langevin/sample/euler.h"

namespace langevin {

/// rho_up^2 + rho_down^2 = rho_s^2, with rho_up = eta sqrt(rho_s^2 (rho_t^2 - rho_s^2) / rho_t^2).
struct AncestralStep {
  double rho_down;
  double rho_up;
};
AncestralStep ancestral_step(double rho_t, double rho_s, double eta);

/// Euler ancestral: x at grid[0] to x at the grid's end, one call a step. eta in [0, 1]: 0 is euler(), and 1
/// is ddim() with eta = 1, that is ddpm() with fixed_small, on any path.
template <Array A>
A euler_ancestral(const Denoiser<A>& denoiser, A x, const PointGrid& grid, double eta = 1,
                  const SampleContext<A>& context = {}) {
  check_points(grid, "euler_ancestral", true);
  check_cond(x, context.cond);
  const auto steps = static_cast<int64_t>(grid.size()) - 1;
  DenoiserRun<A> run(denoiser, context, steps);
  for (int64_t step = 0; step < steps; ++step) {
    const PathPoint &from = grid[static_cast<size_t>(step)], &to = grid[static_cast<size_t>(step + 1)];
    const Prediction<A> p = run(x, from.t);
    if (run.stopped()) return p.x0;
    const AncestralStep a = ancestral_step(from.rho(), to.rho(), eta);
    const double of_x = to.alpha / from.alpha, of_eps = to.alpha * (a.rho_down - from.rho());
    x = a.rho_up > 0 ? lincomb(of_x, x, of_eps, p.eps, to.alpha * a.rho_up, step_noise(x, context, step))
                     : lincomb(of_x, x, of_eps, p.eps);
  }
  return x;
}

}  // namespace langevin
