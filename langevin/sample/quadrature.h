// Integrals of Lagrange polynomials: what makes a multistep method of past values.
#pragma once

#include <functional>
#include <span>
#include <vector>

namespace langevin {

/// Values at u of the polynomials that are 1 at nodes[j] and 0 at the others (distinct nodes).
std::vector<double> lagrange(std::span<const double> nodes, double u);

/// w_j = integral from a to b of f(s) L_j(u(s)) ds, by Gauss-Legendre with 5 points on `panels` equal parts;
/// exact for polynomials up to degree 9.
std::vector<double> lagrange_integrals(std::span<const double> nodes, double a, double b, int panels,
                                       const std::function<double(double s)>& u,
                                       const std::function<double(double s)>& f);

}  // namespace langevin
