// UniPC: Zhao et al. 2023, "UniPC: A Unified Predictor-Corrector Framework for Fast Sampling of Diffusion
// Models", arXiv:2302.04867, on x0 (its section 3.3 and appendix C; algorithms 1 and 2). The corrector uses
// the answer at the predicted point, which the next step needs anyway: no further calls.
#pragma once

#include <algorithm>
#include <string>

#include "langevin/sample/run.h"
#include "langevin/sample/sampler_grid.h"

namespace langevin {

struct UniPcOptions {
  int64_t order = 2;  // p of UniP-p, 1 to 3; with the corrector the order is p + 1
  bool bh1 = false;   // B(h) = h; otherwise bh2: B(h) = e^h - 1 (section 3.2)
  bool corrector = true;
  bool lower_order_final = true;  // the last steps are of order 1, 2, .. counted from the end
};

/// x_s = x x_t + sum_j answers[j], the newest first. Of the predictor the newest answer is the one at t; the
/// corrector's first is the one at s and the second the one at t.
struct UniPcWeights {
  double x;
  std::vector<double> answers;
};
/// The step from grid[step]; `order` answers, at grid[step], grid[step-1], ..
UniPcWeights unipc_predictor(const PointGrid& grid, int64_t step, int64_t order, bool bh1);
UniPcWeights unipc_corrector(const PointGrid& grid, int64_t step, int64_t order, bool bh1);
/// Order of the step from grid[step].
int64_t unipc_order(const PointGrid& grid, int64_t step, const UniPcOptions& options);

/// x at grid[0] to x at the grid's end, one call a step.
template <Array A>
A unipc(const Denoiser<A>& denoiser, A x, const PointGrid& grid, const UniPcOptions& options = {},
        const SampleContext<A>& context = {}) {
  check_points(grid, "unipc", true);
  check(options.order >= 1 && options.order <= 3, "unipc", "order must be 1 to 3, got {}", options.order);
  check_cond(x, context.cond);
  const auto steps = static_cast<int64_t>(grid.size()) - 1;
  DenoiserRun<A> run(denoiser, context, steps);
  std::vector<A> history;
  A before = x;  // where the last step began
  for (int64_t step = 0; step < steps; ++step) {
    Prediction<A> p = run(x, grid[static_cast<size_t>(step)].t);
    if (run.stopped()) return p.x0;
    remember(history, std::move(p.x0), static_cast<size_t>(options.order + 1));
    if (step > 0 && options.corrector) {
      const UniPcWeights c =
          unipc_corrector(grid, step - 1, unipc_order(grid, step - 1, options), options.bh1);
      x = weighted_sum(c.x, before, c.answers, history);
    }
    const UniPcWeights w = unipc_predictor(grid, step, unipc_order(grid, step, options), options.bh1);
    before = x;
    x = weighted_sum(w.x, before, w.answers, history);
  }
  return x;
}

}  // namespace langevin
