// Latent consistency models: Luo et al. 2023, arXiv:2310.04378; multistep consistency sampling is algorithm 1
// of Song et al. 2023, arXiv:2303.01469. The denoiser's x0 must be a consistency function's, one that maps
// any x_t straight to the end of its flow; with an ordinary denoiser the samples are blurred.
#pragma once

#include <cmath>

#include "langevin/sample/run.h"
#include "langevin/sample/sampler_grid.h"

namespace langevin {

struct LcmOptions {
  /// The boundary condition f(x, 0) = x (2310.04378, eq. 9): f = c_skip x_t + c_out x0 with s = t
  /// timestep_scaling, c_skip = sigma_data^2 / (s^2 + sigma_data^2), c_out = s / sqrt(s^2 + sigma_data^2).
  bool boundary = true;
  double timestep_scaling = 10;
  double sigma_data = 0.5;
};

/// The timesteps of an LCM distilled with `original` DDIM steps: every (original / steps)-th of
/// k T / original - 1, k = original .. 1. Throws unless 1 <= steps <= original <= T.
std::vector<int64_t> lcm_timesteps(int64_t T, int64_t original, int64_t steps);

/// x at grid[0] to x at the grid's end: at each point f, then fresh noise to the next level,
/// x_s = alpha_s f + sigma_s z; f itself at the end, whatever its level. One call a step.
template <Array A>
A lcm(const Denoiser<A>& denoiser, A x, const PointGrid& grid, const LcmOptions& options = {},
      const SampleContext<A>& context = {}) {
  check_points(grid, "lcm");
  check_cond(x, context.cond);
  const auto steps = static_cast<int64_t>(grid.size()) - 1;
  DenoiserRun<A> run(denoiser, context, steps);
  for (int64_t step = 0; step < steps; ++step) {
    const PathPoint &from = grid[static_cast<size_t>(step)], &to = grid[static_cast<size_t>(step + 1)];
    Prediction<A> p = run(x, from.t);
    if (run.stopped()) return p.x0;
    A f = std::move(p.x0);
    if (options.boundary) {
      const double s = from.t * options.timestep_scaling, d2 = options.sigma_data * options.sigma_data;
      f = lincomb(d2 / (s * s + d2), x, s / std::sqrt(s * s + d2), f);
    }
    x = step + 1 < steps ? lincomb(to.alpha, f, to.sigma, step_noise(f, context, step)) : std::move(f);
  }
  return x;
}

}  // namespace langevin
