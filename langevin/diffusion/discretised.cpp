#include "langevin/diffusion/discretised.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "langevin/core/check.h"

namespace langevin {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

/// The bin's ends, in standard deviations from the mean.
struct Interval {
  double from, to;
};
Interval bin_of(double x, double mean, double scale, const Bins& bins) {
  check(bins.count >= 2 && bins.hi > bins.lo, "Bins", "need 2 values or more and lo < hi, got {}, {} and {}",
        bins.count, bins.lo, bins.hi);
  const double half = bins.step() / 2;
  return {x < bins.lo + half ? -kInfinity : (x - half - mean) / scale,
          x > bins.hi - half ? kInfinity : (x + half - mean) / scale};
}

}  // namespace

double log_normal_cdf(double z) {
  if (z > -25) return std::log(0.5 * std::erfc(-z / std::numbers::sqrt2));
  if (std::isinf(z)) return -kInfinity;
  // Abramowitz & Stegun 26.2.12; the next term is below 1e-9 of the sum's last.
  const double r = 1 / (z * z);
  return -0.5 * z * z - std::log(-z) - 0.5 * std::log(2 * std::numbers::pi) +
         std::log1p(-r * (1 - 3 * r * (1 - 5 * r * (1 - 7 * r * (1 - 9 * r)))));
}

double log_normal_interval(double a, double b) {
  if (!(a < b)) return std::isnan(a) || std::isnan(b) ? std::nan("") : -kInfinity;
  if (a + b > 0) return log_normal_interval(-b, -a);  // in the lower tail nothing cancels
  const double upper = log_normal_cdf(b), lower = log_normal_cdf(a);
  // A bin so narrow, or so far out, that its ends differ by rounding alone: density times width.
  if (upper - lower < 1e-9) {
    const double middle = 0.5 * (a + b);
    return -0.5 * (middle * middle + std::log(2 * std::numbers::pi)) + std::log(b - a);
  }
  return upper + std::log(-std::expm1(lower - upper));
}

double log_bin_gaussian(double x, double mean, double log_variance, const Bins& bins) {
  const Interval bin = bin_of(x, mean, std::exp(0.5 * log_variance), bins);
  return log_normal_interval(bin.from, bin.to);
}

double log_bin_logistic(double x, double mean, double log_scale, const Bins& bins) {
  const Interval bin = bin_of(x, mean, std::exp(log_scale), bins);
  // sigmoid(to) - sigmoid(from) = sigmoid(to) sigmoid(-from) (1 - e^(from - to))
  const double left = std::isinf(bin.from) ? 0 : softplus(bin.from);
  const double right = std::isinf(bin.to) ? 0 : softplus(-bin.to);
  const bool open = std::isinf(bin.from) || std::isinf(bin.to);
  return -left - right + (open ? 0 : std::log(-std::expm1(bin.from - bin.to)));
}

double log_bin_laplace(double x, double mean, double log_scale, const Bins& bins) {
  const Interval bin = bin_of(x, mean, std::exp(log_scale), bins);
  // Mirrored, so that the middle of the bin lies left of the mean: P = (e^to - e^from) / 2 there.
  const bool mirror = bin.from + bin.to > 0;
  const double from = mirror ? -bin.to : bin.from, to = mirror ? -bin.from : bin.to;
  if (to <= 0) return to - std::numbers::ln2 + std::log(-std::expm1(from - to));
  return std::log1p(-0.5 * (std::exp(from) + std::exp(-to)));  // the mean lies within
}

double log_bin_posterior(double x, double z, double alpha, double sigma, const Bins& bins) {
  check(sigma > 0 && alpha > 0, "log_bin_posterior", "alpha and sigma must be above 0, got {} and {}", alpha,
        sigma);
  const double place = std::round((x - bins.lo) / bins.step());
  const auto at = static_cast<int64_t>(std::clamp(place, 0.0, static_cast<double>(bins.count - 1)));
  const auto exponent = [&](int64_t k) {
    const double distance = (z - alpha * bins.value(k)) / sigma;
    return -0.5 * distance * distance;
  };
  // Values further than ten deviations from the nearest one have no part in the sum.
  const auto index = [&](double value) {
    const double k = std::round((value - bins.lo) / bins.step());
    return static_cast<int64_t>(std::clamp(k, 0.0, static_cast<double>(bins.count - 1)));
  };
  const double nearest = bins.value(index(z / alpha)), reach = 10 * sigma / alpha + bins.step();
  const double largest = exponent(index(z / alpha));
  const int64_t first = index(nearest - reach), last = index(nearest + reach);
  double sum = 0;
  for (int64_t k = first; k <= last; ++k) sum += std::exp(exponent(k) - largest);
  return exponent(at) - largest - std::log(sum);
}

double bits_per_dim(double nats, int64_t dimensions) {
  return nats / (std::numbers::ln2 * static_cast<double>(dimensions));
}

}  // namespace langevin
