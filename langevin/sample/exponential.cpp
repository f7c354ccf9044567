#include "langevin/sample/exponential.h"

#include <cmath>

#include "langevin/core/check.h"

namespace langevin {

std::array<double, 3> exponential_moments(double c, double h) {
  std::array<double, 3> out{};
  const double z = c * h;
  if (std::abs(z) < 1) {  // k! sum_n z^n / (n + k + 1)!, where the recurrence cancels
    for (int k = 0; k < 3; ++k) {
      double term = 1.0 / (k + 1), sum = 0;
      for (int n = 0; n < 24; ++n) {
        sum += term;
        term *= z / (n + k + 2);
      }
      out[static_cast<size_t>(k)] = h * sum;
    }
    return out;
  }
  out[0] = h * std::expm1(z) / z;  // by parts: m_k = (k m_{k-1} - h) / z
  out[1] = (out[0] - h) / z;
  out[2] = (2 * out[1] - h) / z;
  return out;
}

ExponentialStep exponential_step(ExponentialForm form, const PathPoint& from, const PathPoint& to) {
  ExponentialStep out;
  out.h = to.lambda() - from.lambda();
  const bool finite = std::isfinite(out.h);
  const double fall = to.rho() / from.rho();  // e^-h; 0 at both ends
  switch (form) {
    case ExponentialForm::noise:
      check(from.alpha > 0, "exponential_step", "the noise form needs signal at the level it starts from");
      out.x = to.alpha / from.alpha;
      // At clean data sigma_s e^h is alpha_s rho_t.
      out.unit = finite ? -to.sigma : -to.alpha * from.rho();
      out.moments = finite ? exponential_moments(1, out.h) : std::array<double, 3>{1, 0, 0};
      break;
    case ExponentialForm::data:
      out.x = to.sigma / from.sigma;
      out.unit = to.alpha;
      out.moments = finite ? exponential_moments(-1, out.h) : std::array<double, 3>{1, 0, 0};
      break;
    case ExponentialForm::sde:
      out.x = to.sigma / from.sigma * fall;
      out.unit = 2 * to.alpha;
      out.moments = finite ? exponential_moments(-2, out.h) : std::array<double, 3>{0.5, 0, 0};
      out.noise = to.sigma * std::sqrt(finite ? -std::expm1(-2 * out.h) : 1.0);
      break;
  }
  return out;
}

std::vector<double> polynomial_weights(const ExponentialStep& step, int64_t answers, double r0, double r1,
                                       double of_square) {
  const auto& [m0, m1, m2] = step.moments;
  std::vector<double> out;
  switch (answers) {
    case 1:
      out = {m0};
      break;
    case 2:  // D0 + D1 u, D1 = (y0 - y1) / r0
      out = {m0 + m1 / r0, -m1 / r0};
      break;
    case 3: {
      // D0 + D1 u + D2 u^2 with the divided differences a = (y0 - y1) / r0 and b = (y1 - y2) / r1:
      // D2 = (a - b) / (r0 + r1), D1 = a + r0 D2.
      const double square = (of_square * m2 + r0 * m1) / (r0 + r1);  // weight of a - b
      const double of_a = m1 + square, of_b = -square;
      out = {m0 + of_a / r0, -of_a / r0 + of_b / r1, -of_b / r1};
      break;
    }
    default:
      fail("polynomial_weights: 1 to 3 values, got {}", answers);
  }
  for (double& w : out) w *= step.unit;
  return out;
}

}  // namespace langevin
