#include "langevin/sample/deis.h"

#include <cmath>

#include "langevin/sample/quadrature.h"

namespace langevin {

std::vector<double> deis_weights(const NoisePath& path, const PointGrid& grid, int64_t step,
                                 const DeisOptions& options) {
  const auto steps = static_cast<int64_t>(grid.size()) - 1;
  check(step >= 0 && step < steps, "deis_weights", "step must be in [0, {}], got {}", steps - 1, step);
  const PathPoint &from = grid[static_cast<size_t>(step)], &to = grid[static_cast<size_t>(step + 1)];
  int64_t order = std::min(options.order, step + 1);
  if (options.lower_order_final && steps < 15) order = std::min(order, steps - step);
  if (order == 1 || !(to.sigma > 0) || to == from) return {to.rho() - from.rho()};
  std::vector<double> nodes;
  for (int64_t j = 0; j < order; ++j) {
    const PathPoint& point = grid[static_cast<size_t>(step - j)];
    nodes.push_back(options.log_rho ? -point.lambda() : point.t);
  }
  // d rho = rho d log rho, so both kinds integrate over s = log rho. A discrete path's t has corners there at
  // the timesteps, which the panels smooth over.
  const auto u = [&](double s) { return options.log_rho ? s : path.at_lambda(-s).t; };
  return lagrange_integrals(nodes, -from.lambda(), -to.lambda(), 16, u, [](double s) { return std::exp(s); });
}

}  // namespace langevin
