// The variance of a reverse step p(x_s | x_t), from a level alpha_bar_t to alpha_bar_s > alpha_bar_t: fixed,
// or learned by a network that has a second half of output channels (Nichol & Dhariwal 2021,
// arXiv:2102.09672, section 3.1).
#pragma once

#include <string>
#include <vector>

#include "langevin/diffusion/schedule.h"

namespace langevin {

/// fixed_small, the posterior's variance, is best when x_0 is one known point; fixed_large, beta_t, when x_0
/// ~ N(0, I) (Ho et al. 2020, arXiv:2006.11239, section 3.2); the truth lies between the two, and
/// learned_range is where the network says, element by element (diffusers' names).
enum class DdpmVariance { fixed_small, fixed_large, learned_range };

std::string to_string(DdpmVariance variance);
DdpmVariance ddpm_variance_type(const std::string& name);  // Error names the nearest
std::vector<std::string> ddpm_variance_types();

/// The fixed variance of a step (s < t; s = clean data: 1), at least 1e-20 as in diffusers. fixed_large is
/// beta between the two levels, 1 - alpha_bar_t / alpha_bar_s. Error: learned_range, which is no number.
double ddpm_variance(double alpha_bar_s, double alpha_bar_t, DdpmVariance type);

/// Logarithms of the two ends that a learned variance lies between: beta-tilde and beta of the step.
///   log variance = share hi + (1 - share) lo,  share = (v + 1) / 2                (2102.09672, eq. 15)
/// where v is what the network's second half says. (The paper writes share as v; its code and diffusers map
/// the output from [-1, 1].)
struct LogVarianceRange {
  double lo = 0, hi = 0;
  double at(double v) const { return lo + 0.5 * (v + 1) * (hi - lo); }
};

/// Of the step from t to t - 1, 0 <= t < T; at t = 0, whose beta-tilde is 0, lo is that of t = 1.
LogVarianceRange log_variance_range(const Schedule& schedule, int64_t t);
/// Of a step between any two levels, alpha_bar_s < 1: what samplers use that skip steps.
LogVarianceRange log_variance_range(double alpha_bar_s, double alpha_bar_t);

/// log variance of p(x_{t-1} | x_t) where it is fixed; at t = 0 (the decoder's) both types take beta-tilde of
/// t = 1, as arXiv:2006.11239 and 2102.09672 do.
double fixed_log_variance(const Schedule& schedule, int64_t t, DdpmVariance type);

}  // namespace langevin
