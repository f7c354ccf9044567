// Multistep DPM-Solver (Lu et al. 2022, arXiv:2206.00927), DPM-Solver++ and SDE-DPM-Solver++ (Lu et al. 2022,
// arXiv:2211.01095): exponential integrators (exponential.h) that reuse past answers of the denoiser.
#pragma once

#include <algorithm>
#include <string>

#include "langevin/sample/exponential.h"
#include "langevin/sample/run.h"
#include "langevin/sample/sampler_grid.h"

namespace langevin {

struct DpmSolverOptions {
  /// noise: DPM-Solver, on eps. data: DPM-Solver++, on x0. sde: SDE-DPM-Solver++, on x0 with fresh noise.
  ExponentialForm form = ExponentialForm::data;
  int64_t order = 2;  // 1 to 3 (sde 3 is the same polynomial under the SDE's kernel)
  /// Of order 2 (2211.01095, algorithm 2: midpoint): the last difference counts half of the kernel's weight.
  /// Otherwise the line through two answers is integrated as it is ("heun" in diffusers). Both second order.
  bool midpoint = true;
  /// Below 15 steps the last ones are of lower order, which is steadier (2211.01095, section 5).
  bool lower_order_final = true;
  /// The quadratic term of order 3 halved, as in the authors' program and diffusers. The polynomial through
  /// three answers has it whole, and only so is the method third order.
  bool compat_diffusers = false;
};

/// What a step does: x_s = x x_t + sum_j answers[j] (newest first) + noise z.
struct DpmStep {
  double x;
  std::vector<double> answers;
  double noise;
};
/// The step from grid[step]. Fewer answers than `order` at the start, into clean data, and after a level
/// without signal (zero terminal SNR).
DpmStep dpm_multistep(const PointGrid& grid, int64_t step, const DpmSolverOptions& options);

/// x at grid[0] to x at the grid's end, one call a step.
template <Array A>
A dpm_solver(const Denoiser<A>& denoiser, A x, const PointGrid& grid, const DpmSolverOptions& options = {},
             const SampleContext<A>& context = {}) {
  const bool noise_form = options.form == ExponentialForm::noise;
  check_points(grid, "dpm_solver", noise_form);
  check(options.order >= 1 && options.order <= 3, "dpm_solver", "order must be 1 to 3, got {}",
        options.order);
  check_cond(x, context.cond);
  const auto steps = static_cast<int64_t>(grid.size()) - 1;
  DenoiserRun<A> run(denoiser, context, steps);
  std::vector<A> history;
  for (int64_t step = 0; step < steps; ++step) {
    Prediction<A> p = run(x, grid[static_cast<size_t>(step)].t);
    if (run.stopped()) return p.x0;
    remember(history, std::move(noise_form ? p.eps : p.x0), static_cast<size_t>(options.order));
    const DpmStep s = dpm_multistep(grid, step, options);
    x = weighted_sum(s.x, x, s.answers, history);
    if (s.noise > 0) x = lincomb(1.0, x, s.noise, step_noise(x, context, step));
  }
  return x;
}

}  // namespace langevin
