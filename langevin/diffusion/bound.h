// The variational bound of diffusion, term by term, in nats summed over a sample's elements:
//
//   -log p(x_0) <= L = L_T + sum_{t=1}^{T-1} L_t + L_0                       (2006.11239, eq. 5)
//   L_T     = KL(q(x_T | x_0) || N(0, I))
//   L_t     = KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)),  the paper's L_{t-1}: t counts from 0 here
//   L_0     = -log p(x_0 | x at t = 0), the discretised Gaussian decoder     (eq. 13)
//
// Where time is continuous the sum becomes an integral over the log-SNR that no longer depends on the
// schedule between its ends (Kingma et al. 2021, "Variational Diffusion Models", arXiv:2107.00630, eq. 18):
//
//   L = KL(q(z_1 | x) || N(0, I)) - log p(x | z_0) + 1/2 E int |eps - eps_theta|^2 d(log SNR)
//
// The model's mean is that of q(x_{t-1} | x_t, x_0) at the network's estimate of x_0.
#pragma once

#include <span>

#include "langevin/diffusion/discretised.h"
#include "langevin/diffusion/variance.h"

namespace langevin {

/// L_T of the schedule's last level.
double prior_term(const Schedule& schedule, std::span<const float> x0);
/// The same at any level; sigma > 0.
double prior_term(double alpha, double sigma, std::span<const float> x0);

/// What a model says of the step at t.
struct ModelStep {
  std::span<const float> x0;                       // its estimate of x_0
  std::span<const float> variance;                 // v of a learned variance, one an element; empty:
  DdpmVariance fixed = DdpmVariance::fixed_small;  // this
};

/// The term of t: L_t, or L_0 at t = 0, 0 <= t < T. x0 is the data.
double step_term(const Schedule& schedule, int64_t t, std::span<const float> x0, const ModelStep& model,
                 const Bins& bins = {});

/// The integrand of the continuous bound, 1/2 |eps - eps_theta|^2: to be integrated over log SNR = 2
/// log(alpha / sigma).
double continuous_term(std::span<const float> eps, std::span<const float> predicted);

/// -log p(x | z_0) with z_0 = alpha x + sigma eps.
double continuous_decoder(std::span<const float> x0, std::span<const float> z0, double alpha, double sigma,
                          const Bins& bins = {});

}  // namespace langevin
