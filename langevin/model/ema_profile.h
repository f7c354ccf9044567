// Averages of weights whose length is chosen after training: Karras et al. 2024, "Analyzing and Improving the
// Training Dynamics of Diffusion Models", arXiv:2312.02696, section 3 and appendix C.
//
// A power-function average weighs the weights of update u, of t so far, with the share of (0, t] that u has
// under the profile
//   p(tau) = (gamma + 1) tau^gamma / t^(gamma + 1),   0 <= tau <= t                              (eq. 3)
// whose standard deviation over t is its relative length sigma_rel: 0.05 means that the average looks back
// over some 5 % of the training, however long that is.
#pragma once

#include <cstdint>
#include <vector>

namespace langevin {

inline constexpr double max_ema_length = 0.288;  // sqrt(1/12) is the plain mean of all updates

/// The gamma of a relative length in (0, max_ema_length] (appendix C.2), by
/// sigma_rel = (gamma + 1)^(1/2) (gamma + 2)^-1 (gamma + 3)^(-1/2). Error outside.
double ema_exponent(double length);
double ema_length(double exponent);  // and back; exponent >= 0

/// beta(t) = (1 - 1/t)^(gamma + 1) (eq. 4): after update t = 1, 2, ..
///   average = beta average + (1 - beta) weights
double power_ema_decay(double exponent, int64_t update);

/// One average as it stood: of which exponent, after how many updates.
struct EmaProfile {
  double exponent = 0;
  int64_t updates = 1;  // >= 1
};

/// The integral of both profiles' product, in 1 / updates.
double profile_product(const EmaProfile& a, const EmaProfile& b);

struct ProfileFit {
  std::vector<double> weights;  // of each average; they sum to 1
  double error = 0;             // |sum_i weights_i p_i - p| / |p|, of the profiles
  double gain = 0;              // |weights|: how much the averages' rounding errors grow
};

/// The combination of `have` that is nearest to `wanted`: the weights that minimise
///   |sum_i w_i p_i - p|^2 / |p|^2 + ridge |w|^2,   sum_i w_i = 1
/// in float64 (appendix C.3, where there is neither ridge nor constraint). Neighbouring profiles are nearly
/// alike, so without a ridge large weights of both signs cancel and bring out what the averages were rounded
/// by; the sum is held because a network with 0.99 of its weights is another network. Error: none given, an
/// exponent below 0, updates below 1.
ProfileFit fit_profile(const std::vector<EmaProfile>& have, const EmaProfile& wanted, double ridge);

/// The ridge at which rounding the averages to `epsilon` relative and the fit's error weigh alike, where
/// weights wander by about a tenth of their size while they are averaged. At least 1e-12: float64's own.
double rounding_ridge(double epsilon);

}  // namespace langevin
