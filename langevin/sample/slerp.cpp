#include "langevin/sample/slerp.h"

#include <numbers>

#include "langevin/core/check.h"

namespace langevin {

SlerpWeights slerp_weights(double length_a, double length_b, double chord, double sum, double u) {
  check(u >= 0 && u <= 1, "slerp", "must be 0 to 1 of the way, got {}", u);
  if (u == 0) return {1, 0, 0};
  if (u == 1) return {0, 1, 0};
  if (!(length_a > 0 && length_b > 0)) return {1 - u, u, 0};
  const double length = (1 - u) * length_a + u * length_b;
  const double angle = 2 * std::atan2(chord, sum);  // exact near 0 and near pi, where acos is not
  if (sum < 1e-3) {
    return {length / length_a * std::cos(u * std::numbers::pi), 0, length * std::sin(u * std::numbers::pi)};
  }
  // Of the unit directions; below a chord of 1e-4 a line is the arc to 1e-9.
  double a = 1 - u, b = u;
  if (chord >= 1e-4) {
    a = std::sin((1 - u) * angle) / std::sin(angle);
    b = std::sin(u * angle) / std::sin(angle);
  }
  return {length / length_a * a, length / length_b * b, 0};
}

}  // namespace langevin
