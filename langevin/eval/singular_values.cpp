#include "langevin/eval/singular_values.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "langevin/core/check.h"

namespace langevin {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

/// Eight sums side by side, which the compiler makes vectors of.
double dot(const double* a, const double* b, int64_t n) {
  std::array<double, 8> sums{};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (size_t k = 0; k < 8; ++k) sums[k] += a[i + static_cast<int64_t>(k)] * b[i + static_cast<int64_t>(k)];
  }
  double sum = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
  for (; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

void add_times(double* y, double factor, const double* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] += factor * x[i];
}

Matrix transposed(const Matrix& a) {
  Matrix t(a.cols, a.rows);
  constexpr int64_t kBlock = 32;
  for (int64_t i0 = 0; i0 < a.rows; i0 += kBlock) {
    for (int64_t j = 0; j < a.cols; ++j) {
      for (int64_t i = i0; i < std::min(a.rows, i0 + kBlock); ++i) t.row(j)[i] = a.row(i)[j];
    }
  }
  return t;
}

/// I - tau v v^T takes x (n) to (beta, 0, ..., 0).
struct Reflection {
  std::vector<double> v;
  double tau = 0, beta = 0;
};

Reflection reflection(std::vector<double> x) {
  Reflection r{std::move(x), 0, 0};
  double largest = 0;
  for (const double value : r.v) largest = std::max(largest, std::abs(value));
  if (largest == 0) return r;
  double square = 0;
  for (double& value : r.v) {
    value /= largest;  // no square leaves the range
    square += value * value;
  }
  const double length = std::sqrt(square), first = r.v[0];
  r.v[0] += first >= 0 ? length : -length;
  const double v2 = square + 2 * std::abs(first) * length + square;  // |v|^2 = |x|^2 + 2 |x_0| |x| + |x|^2
  r.tau = 2 / v2;
  r.beta = (first >= 0 ? -length : length) * largest;
  return r;
}

struct Bidiagonal {
  std::vector<double> diagonal, above;
};

/// Of a (m,n), m >= n; a is used up.
Bidiagonal bidiagonal(Matrix& a) {
  const int64_t m = a.rows, n = a.cols;
  Bidiagonal b;
  for (int64_t k = 0; k < n; ++k) {
    std::vector<double> column(static_cast<size_t>(m - k));
    for (int64_t i = k; i < m; ++i) column[static_cast<size_t>(i - k)] = a.row(i)[k];
    const Reflection left = reflection(std::move(column));
    b.diagonal.push_back(left.beta);
    const int64_t rest = n - k - 1;
    if (rest == 0) break;
    // From the left: A -= tau v (v^T A); its first row then says what comes from the right.
    std::vector<double> w(static_cast<size_t>(rest), 0.0);
    for (int64_t i = k; i < m; ++i)
      add_times(w.data(), left.v[static_cast<size_t>(i - k)], a.row(i) + k + 1, rest);
    add_times(a.row(k) + k + 1, -left.tau * left.v[0], w.data(), rest);
    const Reflection right = reflection(std::vector<double>(a.row(k) + k + 1, a.row(k) + k + 1 + rest));
    b.above.push_back(right.beta);
    for (int64_t i = k + 1; i < m; ++i) {
      double* row = a.row(i) + k + 1;
      add_times(row, -left.tau * left.v[static_cast<size_t>(i - k)], w.data(), rest);
      add_times(row, -right.tau * dot(row, right.v.data(), rest), right.v.data(), rest);
    }
  }
  return b;
}

}  // namespace

Matrix covariance_root(std::span<const double> covariance, int64_t dim) {
  check(dim >= 1 && static_cast<int64_t>(covariance.size()) == dim * dim, "covariance_root",
        "{} values are no {} x {} matrix", covariance.size(), dim, dim);
  std::vector<double> left(static_cast<size_t>(dim));  // of the diagonal
  for (int64_t i = 0; i < dim; ++i) {
    left[static_cast<size_t>(i)] = covariance[static_cast<size_t>(i * dim + i)];
    check(std::isfinite(left[static_cast<size_t>(i)]), "covariance_root",
          "the features are not finite numbers");
  }
  const double stop = 4 * kEpsilon * std::max(0.0, *std::max_element(left.begin(), left.end()));
  Matrix rows(0, dim);  // L^T
  std::vector<bool> used(static_cast<size_t>(dim), false);
  for (int64_t k = 0; k < dim; ++k) {
    int64_t pivot = -1;
    for (int64_t i = 0; i < dim; ++i) {
      if (!used[static_cast<size_t>(i)] &&
          (pivot < 0 || left[static_cast<size_t>(i)] > left[static_cast<size_t>(pivot)]))
        pivot = i;
    }
    if (left[static_cast<size_t>(pivot)] <= stop) break;
    used[static_cast<size_t>(pivot)] = true;
    const double* column = covariance.data() + pivot * dim;  // symmetric: its row
    std::vector<double> next(column, column + dim);
    for (int64_t j = 0; j < k; ++j) add_times(next.data(), -rows.row(j)[pivot], rows.row(j), dim);
    const double scale = 1 / std::sqrt(left[static_cast<size_t>(pivot)]);
    for (int64_t i = 0; i < dim; ++i) {
      double& value = next[static_cast<size_t>(i)];
      value = used[static_cast<size_t>(i)] && i != pivot ? 0 : value * scale;
      if (i == pivot) value = std::sqrt(left[static_cast<size_t>(pivot)]);
      left[static_cast<size_t>(i)] -= value * value;
    }
    rows.values.insert(rows.values.end(), next.begin(), next.end());
    ++rows.rows;
  }
  return transposed(rows);
}

Matrix transposed_product(const Matrix& a, const Matrix& b) {
  check(a.rows == b.rows, "transposed_product", "{} and {} rows", a.rows, b.rows);
  Matrix c(a.cols, b.cols);
  // Four terms a pass over c.
  for (int64_t k = 0; k < a.rows; k += 4) {
    const int64_t terms = std::min<int64_t>(4, a.rows - k);
    for (int64_t i = 0; i < a.cols; ++i) {
      double* out = c.row(i);
      if (terms < 4) {
        for (int64_t t = 0; t < terms; ++t) add_times(out, a.row(k + t)[i], b.row(k + t), b.cols);
        continue;
      }
      const double a0 = a.row(k)[i], a1 = a.row(k + 1)[i], a2 = a.row(k + 2)[i], a3 = a.row(k + 3)[i];
      const double *b0 = b.row(k), *b1 = b.row(k + 1), *b2 = b.row(k + 2), *b3 = b.row(k + 3);
      for (int64_t j = 0; j < b.cols; ++j) out[j] += a0 * b0[j] + a1 * b1[j] + a2 * b2[j] + a3 * b3[j];
    }
  }
  return c;
}

std::vector<double> tridiagonal_eigenvalues(std::vector<double> d, std::vector<double> e) {
  const auto n = static_cast<int64_t>(d.size());
  check(n == 0 || static_cast<int64_t>(e.size()) == n - 1, "tridiagonal_eigenvalues",
        "{} values stand beside a diagonal of {}", e.size(), n);
  e.push_back(0);
  double size = 0;
  for (size_t i = 0; i < d.size(); ++i) size = std::max({size, std::abs(d[i]), std::abs(e[i])});
  // A zero on the diagonal says nothing of the size of what is beside it: small is small to the whole matrix.
  const double small = kEpsilon * size;
  for (int64_t l = 0; l < n; ++l) {
    for (int turn = 0;; ++turn) {
      int64_t m = l;
      while (m < n - 1 && std::abs(e[static_cast<size_t>(m)]) > small) ++m;
      if (m == l) break;
      check(turn < 100, "tridiagonal_eigenvalues", "does not converge");
      const auto at = [](int64_t i) { return static_cast<size_t>(i); };
      double g = (d[at(l + 1)] - d[at(l)]) / (2 * e[at(l)]);
      g = d[at(m)] - d[at(l)] + e[at(l)] / (g + std::copysign(std::hypot(g, 1.0), g));
      double s = 1, c = 1, p = 0;
      int64_t i = m - 1;
      for (; i >= l; --i) {
        const double f = s * e[at(i)], b = c * e[at(i)];
        const double r = std::sqrt(f * f + g * g);
        e[at(i + 1)] = r;
        if (r == 0) {
          d[at(i + 1)] -= p;
          e[at(m)] = 0;
          break;
        }
        s = f / r;
        c = g / r;
        g = d[at(i + 1)] - p;
        const double t = (d[at(i)] - g) * s + 2 * c * b;
        p = s * t;
        d[at(i + 1)] = g + p;
        g = c * t - b;
      }
      if (i >= l) continue;
      d[at(l)] -= p;
      e[at(l)] = g;
      e[at(m)] = 0;
    }
  }
  std::sort(d.begin(), d.end());
  return d;
}

std::vector<double> singular_values(Matrix a) {
  if (a.rows < a.cols) a = transposed(a);
  if (a.cols == 0) return {};
  const Bidiagonal b = bidiagonal(a);
  std::vector<double> beside;
  for (size_t i = 0; i < b.diagonal.size(); ++i) {
    beside.push_back(b.diagonal[i]);
    if (i < b.above.size()) beside.push_back(b.above[i]);
  }
  // Eigenvalues come in pairs +-s.
  std::vector<double> values =
      tridiagonal_eigenvalues(std::vector<double>(2 * b.diagonal.size(), 0.0), std::move(beside));
  std::reverse(values.begin(), values.end());
  values.resize(b.diagonal.size());
  for (double& value : values) value = std::max(0.0, value);
  return values;
}

}  // namespace langevin
