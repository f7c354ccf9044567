#include "langevin/sample/pndm.h"

#include "langevin/core/check.h"

namespace langevin {

int64_t pndm_calls(const PointGrid& grid, const PndmOptions& options) {
  const auto steps = static_cast<int64_t>(grid.size()) - 1;
  const int64_t least = options.skip_prk_steps ? 2 : 4;
  check(steps >= least, "pndm", "needs {} steps or more, got {}", least, steps);
  return options.skip_prk_steps ? steps + 1 : steps + 9;
}

std::vector<double> pndm_weights(size_t values) {
  switch (values) {
    case 1:
      return {1.0};
    case 2:
      return {3.0 / 2, -1.0 / 2};
    case 3:
      return {23.0 / 12, -16.0 / 12, 5.0 / 12};
    case 4:
      return {55.0 / 24, -59.0 / 24, 37.0 / 24, -9.0 / 24};
    default:
      fail("pndm_weights: 1 to 4 values, got {}", values);
  }
}

}  // namespace langevin
