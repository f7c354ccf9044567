// Singlestep DPM-Solver of orders 1 to 3 (Lu et al. 2022, arXiv:2206.00927, algorithms 1 and 2) and
// DPM-Solver++ (arXiv:2211.01095, algorithm 1 for order 2): exponential Runge-Kutta methods in lambda, which
// ask the denoiser between the grid's points instead of remembering.
#pragma once

#include "langevin/sample/exponential.h"
#include "langevin/sample/run.h"
#include "langevin/sample/sampler_grid.h"

namespace langevin {

struct DpmSingleOptions {
  ExponentialForm form = ExponentialForm::data;  // noise or data
  int64_t order = 2;                             // 1 to 3: calls a step
};

/// One stage: the level it reaches and what it adds up: x_stage = x x_t + sum_j answers[j] (oldest first).
struct DpmStage {
  PathPoint to;
  double x;
  std::vector<double> answers;
};
/// The stages of a step, the last of which reaches `to`. Between: r = 1/2 for order 2, 1/3 and 2/3 for
/// order 3. One stage into clean data and out of a level without signal.
std::vector<DpmStage> dpm_stages(const NoisePath& path, const PathPoint& from, const PathPoint& to,
                                 const DpmSingleOptions& options);

/// x at grid[0] to x at the grid's end; `order` calls a step, one in a step that ends on clean data.
template <Array A>
A dpm_solver_single(const Denoiser<A>& denoiser, const NoisePath& path, A x, const PointGrid& grid,
                    const DpmSingleOptions& options = {}, const SampleContext<A>& context = {}) {
  const bool noise_form = options.form == ExponentialForm::noise;
  check_points(grid, "dpm_solver_single", noise_form);
  check(options.form != ExponentialForm::sde, "dpm_solver_single", "solves the flow, not the SDE");
  check(options.order >= 1 && options.order <= 3, "dpm_solver_single", "order must be 1 to 3, got {}",
        options.order);
  check_cond(x, context.cond);
  const int64_t skipped = grid.front().alpha > 0 || grid.size() == 2 ? 0 : options.order - 1;
  DenoiserRun<A> run(denoiser, context, calls_of(grid, options.order) - skipped);
  for (size_t step = 0; step + 1 < grid.size(); ++step) {
    PathPoint at = grid[step];
    A stage_x = x;
    std::vector<A> answers;
    for (const DpmStage& stage : dpm_stages(path, at, grid[step + 1], options)) {
      Prediction<A> p = run(stage_x, at.t);
      if (run.stopped()) return p.x0;
      answers.push_back(std::move(noise_form ? p.eps : p.x0));
      stage_x = weighted_sum(stage.x, x, stage.answers, answers);
      at = stage.to;
    }
    x = std::move(stage_x);
  }
  return x;
}

}  // namespace langevin
