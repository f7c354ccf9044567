// Likelihoods of 8-bit data under continuous densities: the probability of a value's bin. What a decoder of
// the variational bound says of a picture, and what its bits are counted in.
//
// Values stand on a grid from -1 to 1 (x = (byte - 127.5) / 127.5); a bin reaches half a step to either side,
// the two at the ends to infinity, so that the probabilities of the whole grid sum to 1 (Ho et al. 2020,
// arXiv:2006.11239, eq. 13; Salimans et al. 2017, arXiv:1701.05517, section 2.1).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace langevin {

/// Evenly spaced values lo, .., hi.
struct Bins {
  double lo = -1, hi = 1;
  int64_t count = 256;  // 2 or more
  double step() const { return (hi - lo) / static_cast<double>(count - 1); }
  double value(int64_t k) const { return lo + step() * static_cast<double>(k); }
  bool operator==(const Bins&) const = default;
};

/// log P(Z < z), Z standard normal; exact to 1e-12 relative at every z, -infinity included.
double log_normal_cdf(double z);
/// log P(a < Z < b), a <= b; -infinity where they are equal.
double log_normal_interval(double a, double b);

/// log of the probability that N(mean, e^log_variance) gives the bin of x: 2006.11239, eq. 13. x need not be
/// on the grid exactly (floats are not); within half a step of an end it belongs to that end's bin.
double log_bin_gaussian(double x, double mean, double log_variance, const Bins& bins = {});

/// The same of the logistic distribution with scale e^log_scale: 1701.05517, eq. 2.
double log_bin_logistic(double x, double mean, double log_scale, const Bins& bins = {});

/// The same of the Laplace distribution e^(-|x - mean| / s) / (2 s), s = e^log_scale.
double log_bin_laplace(double x, double mean, double log_scale, const Bins& bins = {});

/// log of softmax over the grid's values v of -(z - alpha v)^2 / (2 sigma^2), at the value nearest x: p(x |
/// z_0) of Variational Diffusion Models (Kingma et al. 2021, arXiv:2107.00630, eq. 6 and appendix E), for z =
/// alpha x + sigma eps. alpha, sigma > 0.
double log_bin_posterior(double x, double z, double alpha, double sigma, const Bins& bins = {});

/// Nats to bits per dimension.
double bits_per_dim(double nats, int64_t dimensions);

}  // namespace langevin
