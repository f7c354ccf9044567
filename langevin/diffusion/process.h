// The forward process and its reversal when x_0 is known. Ho et al. 2020, arXiv:2006.11239, section 2.
//
// x arrays are (B, ...); t has one index per sample, 0 <= t < T, index t being the paper's step t+1. "t - 1"
// at t = 0 is clean data.
#pragma once

#include <cmath>
#include <span>
#include <vector>

#include "langevin/core/array.h"
#include "langevin/diffusion/coef.h"
#include "langevin/diffusion/gaussian.h"
#include "langevin/diffusion/schedule.h"

namespace langevin {

/// table[t] of each sample. Throws when a t is outside the table.
Coef gather(std::span<const double> table, std::span<const int64_t> t);

/// One step of noise, q(x_t | x_{t-1}) (eq. 2): x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) eps.
template <Array A>
A q_step(const Schedule& schedule, const A& x_prev, std::span<const int64_t> t, const A& eps) {
  const auto root = [](double value) { return std::sqrt(value); };
  return lincomb(map_coef(root, gather(schedule.alphas(), t)), x_prev,
                 map_coef(root, gather(schedule.betas(), t)), eps);
}

/// All steps at once, q(x_t | x_0) (eq. 4): x_t = sqrt(alphas_cumprod) x_0 + sqrt(1 - alphas_cumprod) eps.
template <Array A>
A q_sample(const Schedule& schedule, const A& x0, std::span<const int64_t> t, const A& eps) {
  const Level level = schedule.level(t);
  return lincomb(level.alpha, x0, level.sigma, eps);
}

/// The posterior q(x_{t-1} | x_t, x_0) (eqs. 6 and 7); its log-variance is the clipped one.
template <Array A>
Gaussian<A> q_posterior(const Schedule& schedule, const A& x0, const A& x_t, std::span<const int64_t> t) {
  return {lincomb(gather(schedule.posterior_mean_coef1(), t), x0, gather(schedule.posterior_mean_coef2(), t),
                  x_t),
          gather(schedule.posterior_variance(), t), gather(schedule.posterior_log_variance_clipped(), t)};
}

/// mu_theta from the predicted noise (eq. 11): (x_t - beta_t / sqrt(1 - alphas_cumprod) eps) / sqrt(alpha_t).
/// It equals the posterior's mean at x_0 = x0_from_eps(x_t, eps). Where alpha_t = 0 (zero terminal SNR) x_t
/// holds nothing of x_0, and the mean is 0, as x0_from_eps has it.
template <Array A>
A mu_theta(const Schedule& schedule, const A& x_t, const A& eps, std::span<const int64_t> t) {
  const Coef step_alpha = gather(schedule.alphas(), t);
  const Coef step_beta = gather(schedule.betas(), t);
  const Level level = schedule.level(t);
  const auto scale = [](double alpha) { return alpha > 0 ? 1 / std::sqrt(alpha) : 0.0; };
  const Coef of_x_t = map_coef(scale, step_alpha);
  const Coef noise =
      map_coef([](double beta, double sigma) { return -beta / sigma; }, step_beta, level.sigma);
  const Coef of_eps = map_coef([](double a, double b) { return a * b; }, of_x_t, noise);
  return lincomb(of_x_t, x_t, of_eps, eps);
}

/// q(x_s | x_t, x_0) = N(x0 x_0 + x_t x_t, variance).
struct PosteriorCoefs {
  double x0 = 0;
  double x_t = 0;
  double variance = 0;
};

/// The posterior between any two levels s < t, given their alphas_cumprod (1 >= alpha_bar_s > alpha_bar_t >=
/// 0): what samplers use that skip steps. With alpha_{t|s} = alpha_t / alpha_s and sigma_{t|s}^2 = 1 -
/// alpha_{t|s}^2 (Kingma et al. 2021, "Variational Diffusion Models", arXiv:2107.00630, appendix A.2):
///   mean = alpha_{t|s} sigma_s^2 / sigma_t^2 x_t + alpha_s sigma_{t|s}^2 / sigma_t^2 x_0
///   variance = sigma_{t|s}^2 sigma_s^2 / sigma_t^2
/// For s = t - 1 it is eq. 7 of 2006.11239. Throws unless the levels are in that order.
PosteriorCoefs posterior_between(double alpha_bar_s, double alpha_bar_t);

}  // namespace langevin
