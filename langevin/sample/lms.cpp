#include "langevin/sample/lms.h"

#include "langevin/sample/quadrature.h"

namespace langevin {

std::vector<double> lms_weights(const PointGrid& grid, int64_t step, int64_t order) {
  check(order >= 1 && order <= step + 1 && step + 1 < static_cast<int64_t>(grid.size()), "lms_weights",
        "needs a step of the grid with `order` values before it, got step {} and order {}", step, order);
  std::vector<double> nodes;
  for (int64_t j = 0; j < order; ++j) nodes.push_back(grid[static_cast<size_t>(step - j)].rho());
  const double end = grid[static_cast<size_t>(step + 1)].rho();
  return lagrange_integrals(
      nodes, nodes[0], end, 1, [](double s) { return s; }, [](double) { return 1.0; });
}

}  // namespace langevin
