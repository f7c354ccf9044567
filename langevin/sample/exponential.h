// Exponential integrators in lambda: the shared mathematics of DPM-Solver, DPM-Solver++ and its SDE.
//
// With h = lambda_s - lambda_t the flow from level t to the less noisy s is solved exactly but for the
// integral over the denoiser's answer, tau = lambda - lambda_t running from 0 to h:
//   noise  x_s = alpha_s / alpha_t x_t - sigma_s integral e^(h - tau) eps dtau      (2206.00927, eq. 3.4)
//   data   x_s = sigma_s / sigma_t x_t + alpha_s integral e^(tau - h) x0 dtau       (2211.01095, eq. 8)
//   sde    x_s = sigma_s / sigma_t e^-h x_t + 2 alpha_s integral e^(2 (tau - h)) x0 dtau
//                + sigma_s sqrt(1 - e^(-2h)) z                                      (2211.01095, eq. 12)
#pragma once

#include <array>
#include <string>
#include <vector>

#include "langevin/diffusion/path.h"

namespace langevin {

enum class ExponentialForm { noise, data, sde };

/// x_s = x x_t + unit integral_0^1 kernel(u) answer du + noise z, with u = tau / h and moments of the kernel
///   moments[k] = integral_0^1 kernel(u) u^k du.
struct ExponentialStep {
  double h = 0;  // infinity to or from an end of the path
  double x = 0;
  double unit = 0;
  std::array<double, 3> moments{};
  double noise = 0;
};

/// Ends are their limits: at s = clean data only moments[0] is meant (the others are 0), and unit and
/// moments[0] multiply to what takes x_t to alpha_s x0.
ExponentialStep exponential_step(ExponentialForm form, const PathPoint& from, const PathPoint& to);

/// integral_0^1 h e^(c h (1 - u)) u^k du for k = 0, 1, 2; h finite.
std::array<double, 3> exponential_moments(double c, double h);

/// Weights of `answers` values of the denoiser, the newest (at u = 0) first, whose polynomial is integrated.
/// The others lie at u = -r0 and u = -(r0 + r1). `of_square` scales the quadratic term (1: the polynomial's).
std::vector<double> polynomial_weights(const ExponentialStep& step, int64_t answers, double r0, double r1,
                                       double of_square = 1);

}  // namespace langevin
