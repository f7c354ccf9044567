#include "langevin/sample/quadrature.h"

#include <array>

namespace langevin {

std::vector<double> lagrange(std::span<const double> nodes, double u) {
  std::vector<double> out(nodes.size(), 1.0);
  for (size_t j = 0; j < nodes.size(); ++j) {
    for (size_t k = 0; k < nodes.size(); ++k) {
      if (k != j) out[j] *= (u - nodes[k]) / (nodes[j] - nodes[k]);
    }
  }
  return out;
}

std::vector<double> lagrange_integrals(std::span<const double> nodes, double a, double b, int panels,
                                       const std::function<double(double)>& u,
                                       const std::function<double(double)>& f) {
  // Abscissas and weights of Gauss-Legendre on [-1, 1] (Abramowitz & Stegun, table 25.4).
  constexpr std::array<double, 5> at{-0.90617984593866399280, -0.53846931010568309104, 0.0,
                                     0.53846931010568309104, 0.90617984593866399280};
  constexpr std::array<double, 5> weight{0.23692688505618908751, 0.47862867049936646804,
                                         0.56888888888888888889, 0.47862867049936646804,
                                         0.23692688505618908751};
  std::vector<double> out(nodes.size(), 0.0);
  const double width = (b - a) / panels;
  for (int panel = 0; panel < panels; ++panel) {
    for (size_t i = 0; i < at.size(); ++i) {
      const double s = a + width * (panel + 0.5 * (1 + at[i]));
      const std::vector<double> values = lagrange(nodes, u(s));
      const double scale = 0.5 * width * weight[i] * f(s);
      for (size_t j = 0; j < out.size(); ++j) out[j] += scale * values[j];
    }
  }
  return out;
}

}  // namespace langevin
