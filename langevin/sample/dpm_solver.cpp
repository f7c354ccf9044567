#include "langevin/sample/dpm_solver.h"

#include <cmath>

#include "langevin/core/check.h"

namespace langevin {

DpmStep dpm_multistep(const PointGrid& grid, int64_t step, const DpmSolverOptions& options) {
  const auto steps = static_cast<int64_t>(grid.size()) - 1;
  check(step >= 0 && step < steps, "dpm_multistep", "step must be in [0, {}], got {}", steps - 1, step);
  const auto point = [&](int64_t back) -> const PathPoint& { return grid[static_cast<size_t>(step - back)]; };
  const PathPoint& to = grid[static_cast<size_t>(step + 1)];
  const ExponentialStep e = exponential_step(options.form, point(0), to);
  int64_t order = std::min(options.order, step + 1);
  if (options.lower_order_final && steps < 15) order = std::min(order, steps - step);
  if (!std::isfinite(e.h) || e.h == 0) order = 1;
  while (order > 1 && !(point(order - 1).alpha > 0)) --order;
  double r0 = 1, r1 = 1;
  if (order > 1) r0 = (point(0).lambda() - point(1).lambda()) / e.h;
  if (order > 2) r1 = (point(1).lambda() - point(2).lambda()) / e.h;
  DpmStep out{e.x, {}, e.noise};
  if (order == 2 && options.midpoint) {
    const double all = e.unit * e.moments[0], last = 0.5 * all / r0;
    out.answers = {all + last, -last};
  } else {
    out.answers = polynomial_weights(e, order, r0, r1, options.compat_diffusers ? 0.5 : 1.0);
  }
  return out;
}

}  // namespace langevin
