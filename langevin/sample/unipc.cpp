#include "langevin/sample/unipc.h"

#include <cmath>

#include "langevin/core/check.h"

namespace langevin {
namespace {

/// B(h) and the right-hand sides of the order conditions, over B(h): b_n = n! h phi_{n+1}(h) / B(h) with -h
/// in place of h on x0 (eq. 5 and appendix C).
struct Conditions {
  double first;  // h phi_1: weight of the answer at t
  double B;
  std::vector<double> b;
};

/// phi_n(z) = sum_k z^k / (k + n)!, for small z, where the recurrence phi_{n+1} = (phi_n - 1 / n!) / z
/// cancels.
double phi_series(int64_t n, double z) {
  double term = 1, sum = 0;
  for (int64_t i = 1; i <= n; ++i) term /= static_cast<double>(i);
  for (int64_t k = 0; k < 24; ++k) {
    sum += term;
    term *= z / static_cast<double>(k + n + 1);
  }
  return sum;
}

Conditions order_conditions(double h, int64_t order, bool bh1) {
  const double z = -h;
  Conditions out{std::expm1(z), bh1 ? z : std::expm1(z), {}};
  double factorial = 1, phi = out.first / z;  // phi_n(z), from phi_1
  for (int64_t n = 1; n <= order; ++n) {
    factorial *= static_cast<double>(n);
    phi = std::abs(z) < 1 ? phi_series(n + 1, z) : (phi - 1 / factorial) / z;  // phi_{n+1}
    out.b.push_back(factorial * z * phi / out.B);
  }
  return out;
}

/// Solves sum_j r_j^(n-1) a_j = b_n, n = 1 .. size (a Vandermonde system) by elimination.
std::vector<double> solve_conditions(const std::vector<double>& r, const std::vector<double>& b) {
  const size_t n = r.size();
  std::vector<std::vector<double>> m(n, std::vector<double>(n + 1));
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) m[i][j] = std::pow(r[j], static_cast<double>(i));
    m[i][n] = b[i];
  }
  for (size_t i = 0; i < n; ++i) {
    for (size_t row = i + 1; row < n; ++row) {
      const double scale = m[row][i] / m[i][i];
      for (size_t j = i; j <= n; ++j) m[row][j] -= scale * m[i][j];
    }
  }
  std::vector<double> a(n);
  for (size_t i = n; i-- > 0;) {
    a[i] = m[i][n];
    for (size_t j = i + 1; j < n; ++j) a[i] -= m[i][j] * a[j];
    a[i] /= m[i][i];
  }
  return a;
}

/// Distances of the past answers from t in units of the step: r_1, .., r_{order-1}, all negative.
std::vector<double> distances(const PointGrid& grid, int64_t step, int64_t order, double h) {
  std::vector<double> r;
  for (int64_t k = 1; k < order; ++k) {
    r.push_back((grid[static_cast<size_t>(step - k)].lambda() - grid[static_cast<size_t>(step)].lambda()) /
                h);
  }
  return r;
}

UniPcWeights first_order(const PathPoint& from, const PathPoint& to) {
  return {to.sigma / from.sigma, {to.alpha - from.alpha * to.sigma / from.sigma}};
}

}  // namespace

int64_t unipc_order(const PointGrid& grid, int64_t step, const UniPcOptions& options) {
  const auto steps = static_cast<int64_t>(grid.size()) - 1;
  int64_t order = std::min(options.order, step + 1);
  if (options.lower_order_final) order = std::min(order, steps - step);
  return grid[static_cast<size_t>(step + 1)].sigma > 0 ? order : 1;
}

UniPcWeights unipc_predictor(const PointGrid& grid, int64_t step, int64_t order, bool bh1) {
  const PathPoint &from = grid[static_cast<size_t>(step)], &to = grid[static_cast<size_t>(step + 1)];
  UniPcWeights out = first_order(from, to);
  const double h = to.lambda() - from.lambda();
  if (order == 1 || !std::isfinite(h) || h == 0) return out;
  const std::vector<double> r = distances(grid, step, order, h);
  const Conditions c = order_conditions(h, order - 1, bh1);
  // One unknown: 1/2 meets its condition up to the order needed and is what the paper takes (section 3.2).
  const std::vector<double> a = order == 2 ? std::vector<double>{0.5} : solve_conditions(r, c.b);
  for (size_t k = 0; k < a.size(); ++k) {
    const double w = -to.alpha * c.B * a[k] / r[k];
    out.answers[0] -= w;
    out.answers.push_back(w);
  }
  return out;
}

UniPcWeights unipc_corrector(const PointGrid& grid, int64_t step, int64_t order, bool bh1) {
  const PathPoint &from = grid[static_cast<size_t>(step)], &to = grid[static_cast<size_t>(step + 1)];
  UniPcWeights out = first_order(from, to);
  out.answers.insert(out.answers.begin(), 0.0);
  const double h = to.lambda() - from.lambda();
  std::vector<double> r = distances(grid, step, order, h);
  const Conditions c = order_conditions(h, order, bh1);
  r.push_back(1);
  const std::vector<double> a = order == 1 ? std::vector<double>{0.5} : solve_conditions(r, c.b);
  for (size_t k = 0; k < a.size(); ++k) {
    const double w = -to.alpha * c.B * a[k] / r[k];
    out.answers[1] -= w;
    if (k + 1 == a.size()) {
      out.answers[0] += w;
    } else {
      out.answers.push_back(w);
    }
  }
  return out;
}

}  // namespace langevin
