#include "langevin/diffusion/bound.h"

#include <cmath>

#include "langevin/diffusion/gaussian.h"

namespace langevin {

double prior_term(double alpha, double sigma, std::span<const float> x0) {
  check(sigma > 0, "prior_term", "sigma must be above 0, got {}", sigma);
  const double log_variance = 2 * std::log(sigma);
  double square = 0;
  for (const float x : x0) square += static_cast<double>(x) * x;
  const auto elements = static_cast<double>(x0.size());
  return elements * kl_gaussian(0, log_variance, 0, 0) + 0.5 * alpha * alpha * square;
}

double prior_term(const Schedule& schedule, std::span<const float> x0) {
  const int64_t last = schedule.T() - 1;
  return prior_term(schedule.alpha(last), schedule.sigma(last), x0);
}

double step_term(const Schedule& schedule, int64_t t, std::span<const float> x0, const ModelStep& model,
                 const Bins& bins) {
  const size_t n = x0.size();
  check(model.x0.size() == n && (model.variance.empty() || model.variance.size() == n), "step_term",
        "a sample has {} elements, the model's x_0 {} and its variance {}", n, model.x0.size(),
        model.variance.size());
  const LogVarianceRange range = log_variance_range(schedule, t);
  const double fixed = model.variance.empty() ? fixed_log_variance(schedule, t, model.fixed) : 0;
  const double coef = schedule.posterior_mean_coef1()[static_cast<size_t>(t)];
  double sum = 0;
  for (size_t i = 0; i < n; ++i) {
    const double log_variance =
        model.variance.empty() ? fixed : range.at(static_cast<double>(model.variance[i]));
    // At t = 0 the posterior's mean is x_0 itself, and so the model's is its estimate.
    sum += t == 0 ? -log_bin_gaussian(x0[i], model.x0[i], log_variance, bins)
                  : kl_gaussian(coef * x0[i], range.lo, coef * model.x0[i], log_variance);
  }
  return sum;
}

double continuous_term(std::span<const float> eps, std::span<const float> predicted) {
  check(eps.size() == predicted.size(), "continuous_term", "{} elements of noise, {} predicted", eps.size(),
        predicted.size());
  double sum = 0;
  for (size_t i = 0; i < eps.size(); ++i) {
    const double d = static_cast<double>(eps[i]) - predicted[i];
    sum += d * d;
  }
  return 0.5 * sum;
}

double continuous_decoder(std::span<const float> x0, std::span<const float> z0, double alpha, double sigma,
                          const Bins& bins) {
  check(x0.size() == z0.size(), "continuous_decoder", "{} elements of data, {} of z_0", x0.size(), z0.size());
  double sum = 0;
  for (size_t i = 0; i < x0.size(); ++i) sum -= log_bin_posterior(x0[i], z0[i], alpha, sigma, bins);
  return sum;
}

}  // namespace langevin
