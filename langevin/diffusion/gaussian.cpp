#include "langevin/diffusion/gaussian.h"

#include <numbers>

namespace langevin {

double kl_gaussian(double mean1, double log_variance1, double mean2, double log_variance2) {
  const double distance = mean1 - mean2;
  // expm1: two nearly equal variances must not cancel to noise.
  const double ratio = log_variance1 - log_variance2;
  return 0.5 * (std::expm1(ratio) - ratio + distance * distance * std::exp(-log_variance2));
}

double kl_gaussian(std::span<const double> mean1, std::span<const double> log_variance1,
                   std::span<const double> mean2, std::span<const double> log_variance2) {
  const size_t n = mean1.size();
  check(log_variance1.size() == n && mean2.size() == n && log_variance2.size() == n, "kl_gaussian",
        "needs four spans of one length, got {}, {}, {}, {}", n, log_variance1.size(), mean2.size(),
        log_variance2.size());
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += kl_gaussian(mean1[i], log_variance1[i], mean2[i], log_variance2[i]);
  return sum;
}

double entropy_gaussian(std::span<const double> log_variance) {
  double sum = 0;
  for (double value : log_variance) sum += 0.5 * (std::log(2 * std::numbers::pi) + 1 + value);
  return sum;
}

double log_density_gaussian(double x, double mean, double log_variance) {
  const double distance = x - mean;
  return -0.5 *
         (std::log(2 * std::numbers::pi) + log_variance + distance * distance * std::exp(-log_variance));
}

}  // namespace langevin
