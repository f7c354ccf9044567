#include "langevin/sample/lcm.h"

#include "langevin/core/check.h"

namespace langevin {

std::vector<int64_t> lcm_timesteps(int64_t T, int64_t original, int64_t steps) {
  check(original >= 1 && original <= T && steps >= 1 && steps <= original, "lcm_timesteps",
        "needs 1 <= steps <= original steps <= T = {}, got {} and {}", T, steps, original);
  const int64_t ratio = T / original, skip = original / steps;
  std::vector<int64_t> out;
  for (int64_t i = 0; i < steps; ++i) out.push_back((original - i * skip) * ratio - 1);
  return out;
}

}  // namespace langevin
