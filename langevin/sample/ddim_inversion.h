// From data back to the noise that DDIM makes it of: Song et al. 2020, arXiv:2010.02502, section 4.3;
// Dhariwal & Nichol 2021, arXiv:2105.05233, appendix F.
#pragma once

#include <algorithm>

#include "langevin/sample/euler.h"

namespace langevin {

struct InversionOptions {
  /// Calls a step. DDIM's step from level t to s used eps at (x_t, t), and x_t is what is sought: 1 takes eps
  /// at (x_s, t) in its place (the usual approximation), each further one puts the x_t found so far in (a
  /// fixed-point iteration: Pan et al. 2023, arXiv:2309.04907). With enough of them DDIM's steps are undone
  /// to rounding.
  int64_t iterations = 1;
};

/// x moved up from a level to a noisier one, where eps is that of the noisier: the inverse of flow_step(),
/// for levels without signal too.
template <Array A>
A flow_step_up(const A& x, const A& eps, const PathPoint& from, const PathPoint& to) {
  return lincomb(to.alpha / from.alpha, x, to.sigma - to.alpha * from.rho(), eps);
}

/// The same from x_0 of the noisier level; for levels with noise.
template <Array A>
A flow_step_up_from_x0(const A& x, const A& x0, const PathPoint& from, const PathPoint& to) {
  const double ratio = to.sigma / from.sigma;
  return lincomb(ratio, x, to.alpha - from.alpha * ratio, x0);
}

/// x (B, ...) at the grid's end (grid.back(), clean data or the level of t = 0) up the grid to the noise at
/// grid[0]: the grid is the one that euler() or ddim() go down. The observer sees t rise.
template <Array A>
A ddim_inversion(const Denoiser<A>& denoiser, A x, const PointGrid& grid,
                 const InversionOptions& options = {}, const SampleContext<A>& context = {}) {
  check_points(grid, "ddim_inversion");
  check(options.iterations >= 1, "ddim_inversion", "iterations must be at least 1, got {}",
        options.iterations);
  check_cond(x, context.cond);
  const auto steps = static_cast<int64_t>(grid.size()) - 1;
  DenoiserRun<A> run(denoiser, context, steps * options.iterations);
  for (int64_t step = steps - 1; step >= 0; --step) {
    const PathPoint &to = grid[static_cast<size_t>(step)], &from = grid[static_cast<size_t>(step + 1)];
    A guess = x;
    for (int64_t i = 0; i < options.iterations; ++i) {
      const Prediction<A> p = run(guess, to.t);
      if (run.stopped()) return p.x0;
      // Of the two ways to write the step's inverse the one that contracts more: on data of unit variance
      // their slopes are as sigma_t sigma_s to alpha_t alpha_s. The first guess is the usual one.
      const bool noisy = i > 0 && to.sigma * from.sigma > to.alpha * from.alpha;
      guess = noisy ? flow_step_up_from_x0(x, p.x0, from, to) : flow_step_up(x, p.eps, from, to);
    }
    x = std::move(guess);
  }
  return x;
}

}  // namespace langevin
