#include "langevin/model/ema_profile.h"

#include <algorithm>
#include <cmath>

#include "langevin/core/check.h"

namespace langevin {
namespace {

/// A symmetric positive definite matrix as L L^T, and the solution of A x = b by it.
class Cholesky {
 public:
  explicit Cholesky(std::vector<std::vector<double>> a) : l_(std::move(a)) {
    for (size_t i = 0; i < l_.size(); ++i) {
      for (size_t j = 0; j <= i; ++j) {
        double sum = l_[i][j];
        for (size_t k = 0; k < j; ++k) sum -= l_[i][k] * l_[j][k];
        if (i != j) {
          l_[i][j] = sum / l_[j][j];
        } else {
          check(sum > 0, "fit_profile", "the averages cannot be told apart; leave some out");
          l_[i][i] = std::sqrt(sum);
        }
      }
    }
  }
  std::vector<double> solve(std::vector<double> b) const {
    for (size_t i = 0; i < b.size(); ++i) {
      for (size_t k = 0; k < i; ++k) b[i] -= l_[i][k] * b[k];
      b[i] /= l_[i][i];
    }
    for (size_t i = b.size(); i-- > 0;) {
      for (size_t k = i + 1; k < b.size(); ++k) b[i] -= l_[k][i] * b[k];
      b[i] /= l_[i][i];
    }
    return b;
  }

 private:
  std::vector<std::vector<double>> l_;
};

double sum_of(const std::vector<double>& x) {
  double sum = 0;
  for (double value : x) sum += value;
  return sum;
}

void check_profile(const EmaProfile& p) {
  check(p.exponent >= 0 && std::isfinite(p.exponent) && p.updates >= 1, "fit_profile",
        "needs exponents of at least 0 and updates of at least 1, got {} and {}", p.exponent, p.updates);
}

}  // namespace

double ema_length(double exponent) {
  return std::sqrt(exponent + 1) / ((exponent + 2) * std::sqrt(exponent + 3));
}

double ema_exponent(double length) {
  check(length > 0 && length <= max_ema_length, "ema_exponent", "a length must be in (0, {}], got {}",
        max_ema_length, length);
  // The length falls from sqrt(1/12) at 0 like 1 / exponent.
  double lo = 0, hi = 1 / length;
  while (ema_length(hi) > length) hi *= 2;
  for (int i = 0; i < 200 && lo < hi; ++i) {
    const double middle = 0.5 * (lo + hi);
    if (middle == lo || middle == hi) break;
    (ema_length(middle) > length ? lo : hi) = middle;
  }
  return 0.5 * (lo + hi);
}

double power_ema_decay(double exponent, int64_t update) {
  check(update >= 1, "power_ema_decay", "updates count from 1, got {}", update);
  return std::pow(1 - 1 / static_cast<double>(update), exponent + 1);
}

double profile_product(const EmaProfile& a, const EmaProfile& b) {
  const EmaProfile &early = a.updates <= b.updates ? a : b, &late = a.updates <= b.updates ? b : a;
  const double t = static_cast<double>(late.updates), ratio = static_cast<double>(early.updates) / t;
  return (a.exponent + 1) * (b.exponent + 1) / (a.exponent + b.exponent + 1) *
         std::pow(ratio, late.exponent) / t;
}

double rounding_ridge(double epsilon) {
  constexpr double kWander = 0.1;
  return std::max(1e-12, epsilon * epsilon / (kWander * kWander));
}

ProfileFit fit_profile(const std::vector<EmaProfile>& have, const EmaProfile& wanted, double ridge) {
  check(!have.empty(), "fit_profile", "there is no average to combine");
  check(ridge > 0, "fit_profile", "ridge must be above 0, got {}", ridge);
  for (const EmaProfile& p : have) check_profile(p);
  check_profile(wanted);
  const size_t n = have.size();
  const double norm = profile_product(wanted, wanted);
  std::vector<std::vector<double>> gram(n, std::vector<double>(n));
  std::vector<double> right(n);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) gram[i][j] = profile_product(have[i], have[j]) / norm;
    right[i] = profile_product(have[i], wanted) / norm;
  }
  std::vector<std::vector<double>> ridged = gram;
  for (size_t i = 0; i < n; ++i) ridged[i][i] += ridge;
  const Cholesky solver(std::move(ridged));
  // w = A^-1 (b + m 1), with the multiplier m that makes the sum 1.
  ProfileFit fit;
  fit.weights = solver.solve(right);
  const std::vector<double> towards = solver.solve(std::vector<double>(n, 1.0));
  const double multiplier = (1 - sum_of(fit.weights)) / sum_of(towards);
  double square = 1;
  for (size_t i = 0; i < n; ++i) fit.weights[i] += multiplier * towards[i];
  for (size_t i = 0; i < n; ++i) {
    const double w = fit.weights[i];
    fit.gain += w * w;
    square -= 2 * w * right[i];
    for (size_t j = 0; j < n; ++j) square += w * fit.weights[j] * gram[i][j];
  }
  fit.error = std::sqrt(std::max(0.0, square));  // cancels below 1e-8
  fit.gain = std::sqrt(fit.gain);
  return fit;
}

}  // namespace langevin
