#include "langevin/diffusion/flow.h"

#include <cmath>
#include <numbers>

namespace langevin {

Level flow_level(const Coef& t) {
  for (double value : t.values()) {
    check(value >= 0 && value <= 1, "flow_level", "t must be in [0, 1], got {}", value);
  }
  return {map_coef([](double value) { return 1 - value; }, t), t};
}

double flow_loss_weight(double t, double mean, double stddev) {
  check(t > 0 && t < 1 && stddev > 0, "flow_loss_weight",
        "needs t in (0, 1) and stddev above 0, got {} and {}", t, stddev);
  const double off = (std::log(t / (1 - t)) - mean) / stddev;
  return std::exp(-0.5 * off * off) / (stddev * std::sqrt(2 * std::numbers::pi) * t * (1 - t));
}

}  // namespace langevin
