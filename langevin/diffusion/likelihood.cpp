#include "langevin/diffusion/likelihood.h"

#include <cmath>
#include <numbers>

#include "langevin/core/check.h"
#include "langevin/core/names.h"
#include "langevin/diffusion/gaussian.h"

namespace langevin {
namespace {

double log_density(Likelihood likelihood, double distance, double log_scale) {
  switch (likelihood) {
    case Likelihood::gaussian:
      return log_density_gaussian(distance, 0, 2 * log_scale);
    case Likelihood::laplace:
      return -std::abs(distance) * std::exp(-log_scale) - log_scale - std::numbers::ln2;
    case Likelihood::logistic:
      break;
  }
  fail("log_likelihood: the discretised logistic has no density");
}

double log_bin(Likelihood likelihood, double x, double mean, double log_scale, const Bins& bins) {
  switch (likelihood) {
    case Likelihood::gaussian:
      return log_bin_gaussian(x, mean, 2 * log_scale, bins);
    case Likelihood::laplace:
      return log_bin_laplace(x, mean, log_scale, bins);
    case Likelihood::logistic:
      return log_bin_logistic(x, mean, log_scale, bins);
  }
  fail("log_likelihood: unknown likelihood {}", static_cast<int>(likelihood));
}

}  // namespace

std::vector<std::string> likelihood_names() { return {"gaussian", "laplace", "logistic"}; }

std::string to_string(Likelihood likelihood) {
  return likelihood_names().at(static_cast<size_t>(likelihood));
}

Likelihood likelihood_from_name(const std::string& name) {
  const auto names = likelihood_names();
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<Likelihood>(i);
  }
  throw Error(unknown_name("likelihood", name, names));
}

double log_likelihood(Likelihood likelihood, std::span<const float> x, std::span<const float> mean,
                      double log_scale, bool of_bins, const Bins& bins) {
  check(x.size() == mean.size(), "log_likelihood", "{} values, {} means", x.size(), mean.size());
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    sum += of_bins ? log_bin(likelihood, x[i], mean[i], log_scale, bins)
                   : log_density(likelihood, static_cast<double>(x[i]) - mean[i], log_scale);
  }
  return sum;
}

double fit_log_scale(Likelihood likelihood, std::span<const float> x, std::span<const float> mean) {
  check(!x.empty(), "fit_log_scale", "needs a pair or more");
  // Golden section: the likelihood of a scale has one top.
  constexpr double ratio = std::numbers::phi - 1;
  double lo = -7, hi = 2;
  double a = hi - ratio * (hi - lo), b = lo + ratio * (hi - lo);
  double at_a = log_likelihood(likelihood, x, mean, a), at_b = log_likelihood(likelihood, x, mean, b);
  while (hi - lo > 1e-4) {
    if (at_a > at_b) {
      hi = b, b = a, at_b = at_a;
      a = hi - ratio * (hi - lo);
      at_a = log_likelihood(likelihood, x, mean, a);
    } else {
      lo = a, a = b, at_a = at_b;
      b = lo + ratio * (hi - lo);
      at_b = log_likelihood(likelihood, x, mean, b);
    }
  }
  return 0.5 * (lo + hi);
}

double kl_to_prior(double mean, double logvar) { return kl_gaussian(mean, logvar, 0, 0); }

}  // namespace langevin
