// What a network predicts, and how eps, x_0 and v follow from each other at a known noise level.
//
//   x_t = alpha x_0 + sigma eps        (2006.11239, eq. 4)
//   v   = alpha eps - sigma x_0        (Salimans & Ho 2022, arXiv:2202.00512, section 4 and appendix D)
//
// With alpha^2 + sigma^2 = 1, (x_t, v) is (x_0, eps) turned by an angle, so x_0 and eps always follow from
// (x_t, v). From (x_t, eps) x_0 does not follow where alpha = 0, and from (x_t, x_0) eps does not where sigma
// = 0: see below. All arrays have one shape, (B, ...); a level is one number for the batch or one per sample.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "langevin/core/array.h"
#include "langevin/diffusion/coef.h"
#include "langevin/diffusion/schedule.h"

namespace langevin {

/// Names as in diffusers: "epsilon", "sample" (x_0), "v_prediction".
enum class PredictionType { epsilon, sample, v_prediction };

std::string to_string(PredictionType type);
PredictionType prediction_type(const std::string& name);  // Error names the nearest
std::vector<std::string> prediction_types();

/// What a denoiser says about x_t (contract 2): both estimates, consistent through x_t = alpha x0 + sigma eps
/// unless a wrapper (clipping) changed one on purpose.
template <class A>
struct Prediction {
  A x0;
  A eps;
  /// What a network with a learned variance says of it, shaped like x_t: v of variance.h.
  std::optional<A> variance = {};
};

/// x_0 = (x_t - sigma eps) / alpha. Where alpha = 0, x_t holds nothing of x_0: gives 0, the mean of
/// normalised data.
template <Array A>
A x0_from_eps(const A& x_t, const A& eps, const Level& level) {
  const Coef of_x_t = map_coef([](double alpha) { return alpha > 0 ? 1 / alpha : 0.0; }, level.alpha);
  const Coef of_eps = map_coef([](double alpha, double sigma) { return alpha > 0 ? -sigma / alpha : 0.0; },
                               level.alpha, level.sigma);
  return lincomb(of_x_t, x_t, of_eps, eps);
}

/// eps = (x_t - alpha x_0) / sigma. Where sigma = 0, x_t holds no noise: gives 0.
template <Array A>
A eps_from_x0(const A& x_t, const A& x0, const Level& level) {
  const Coef of_x_t = map_coef([](double sigma) { return sigma > 0 ? 1 / sigma : 0.0; }, level.sigma);
  const Coef of_x0 = map_coef([](double alpha, double sigma) { return sigma > 0 ? -alpha / sigma : 0.0; },
                              level.alpha, level.sigma);
  return lincomb(of_x_t, x_t, of_x0, x0);
}

/// x_0 = alpha x_t - sigma v (2202.00512, appendix D).
template <Array A>
A x0_from_v(const A& x_t, const A& v, const Level& level) {
  return lincomb(level.alpha, x_t, map_coef([](double sigma) { return -sigma; }, level.sigma), v);
}

/// eps = sigma x_t + alpha v (2202.00512, appendix D).
template <Array A>
A eps_from_v(const A& x_t, const A& v, const Level& level) {
  return lincomb(level.sigma, x_t, level.alpha, v);
}

/// v = alpha eps - sigma x_0 (2202.00512, appendix D).
template <Array A>
A v_from(const A& x0, const A& eps, const Level& level) {
  return lincomb(level.alpha, eps, map_coef([](double sigma) { return -sigma; }, level.sigma), x0);
}

/// Reads a network's output as a prediction of `type`.
template <Array A>
Prediction<A> to_prediction(const A& output, const A& x_t, const Level& level, PredictionType type) {
  switch (type) {
    case PredictionType::epsilon:
      return {x0_from_eps(x_t, output, level), output};
    case PredictionType::sample:
      return {output, eps_from_x0(x_t, output, level)};
    case PredictionType::v_prediction:
      return {x0_from_v(x_t, output, level), eps_from_v(x_t, output, level)};
  }
  fail("to_prediction: unknown prediction type {}", static_cast<int>(type));
}

/// What a network of `type` should have said: eps, x_0, or alpha eps - sigma x_0. With the true x_0 and eps
/// this is the training target; with a denoiser's it takes the prediction back to the network's output.
template <Array A>
A prediction_target(const A& x0, const A& eps, const Level& level, PredictionType type) {
  switch (type) {
    case PredictionType::epsilon:
      return eps;
    case PredictionType::sample:
      return x0;
    case PredictionType::v_prediction:
      return v_from(x0, eps, level);
  }
  fail("prediction_target: unknown prediction type {}", static_cast<int>(type));
}

}  // namespace langevin
