// Gaussians with diagonal covariance: divergence and entropy, in nats (divide by ln 2 for bits).
#pragma once

#include <cmath>
#include <span>
#include <vector>

#include "langevin/core/array.h"

namespace langevin {

/// N(mean, variance I) for each sample: mean (B, ...), one variance for the batch or per sample.
template <class A>
struct Gaussian {
  A mean;
  Coef variance = 1.0;
  Coef log_variance = 0.0;  // natural log; may be clipped from below where variance is 0
};

/// KL(N(mean1, e^log_variance1) || N(mean2, e^log_variance2)) of scalars (the integral in closed form, as in
/// Kingma & Welling 2013, arXiv:1312.6114, appendix B, for two free Gaussians):
///   1/2 (-1 + lv2 - lv1 + e^(lv1 - lv2) + (mean1 - mean2)^2 e^(-lv2))
double kl_gaussian(double mean1, double log_variance1, double mean2, double log_variance2);

/// The sum over D independent dimensions; all four spans have D values.
double kl_gaussian(std::span<const double> mean1, std::span<const double> log_variance1,
                   std::span<const double> mean2, std::span<const double> log_variance2);

/// KL(p || q) per sample, summed over its elements: the terms L_{t-1} of the variational bound (2006.11239,
/// eq. 5).
template <Array A>
std::vector<double> kl_gaussian(const Gaussian<A>& p, const Gaussian<A>& q) {
  const int64_t batch = batch_size(p.mean);
  const double elements = batch > 0 ? static_cast<double>(element_count(shape_of(p.mean)) / batch) : 0;
  const std::vector<double> distance = norm(lincomb(1.0, p.mean, -1.0, q.mean));
  std::vector<double> out(distance.size());
  for (size_t i = 0; i < out.size(); ++i) {
    const auto sample = static_cast<int64_t>(i);
    const double lv1 = p.log_variance[sample], lv2 = q.log_variance[sample];
    const double spread = elements * kl_gaussian(0, lv1, 0, lv2);
    out[i] = spread + 0.5 * distance[i] * distance[i] * std::exp(-lv2);
  }
  return out;
}

/// Differential entropy of N(., diag e^log_variance): D/2 ln(2 pi e) + 1/2 sum log_variance.
double entropy_gaussian(std::span<const double> log_variance);

/// Log density of x under N(mean, e^log_variance), a scalar.
double log_density_gaussian(double x, double mean, double log_variance);

}  // namespace langevin
