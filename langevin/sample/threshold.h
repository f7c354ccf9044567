// Keeping the estimate of x_0 within the range of the data. Use it only for data that has a range: images in
// [-1, 1], trajectories scaled to it; never for z-scored data.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "langevin/diffusion/denoiser.h"

namespace langevin {

struct ThresholdConfig {
  std::string kind = "clip";  // none, clip, dynamic
  double range = 1;           // data lies in [-range, range]; > 0
  double quantile = 0.995;    // dynamic: of |x_0| in a sample, in [0, 1]
  double max = 100;  // dynamic: the quantile counts up to this (diffusers' sample_max_value); >= range
  /// Recompute eps from the clipped x_0. Otherwise eps stays the network's, as in diffusers.
  bool rederive_eps = false;

  bool operator==(const ThresholdConfig&) const = default;
};

std::vector<std::string> threshold_kinds();

/// Throws Error on an unknown kind or a value out of range.
void check_threshold(const ThresholdConfig& config);

/// Each element into [-range, range].
template <Array A>
A clip_x0(const A& x0, double range) {
  return clamp(x0, -range, range);
}

/// Dynamic thresholding (Saharia et al. 2022, Imagen, arXiv:2205.11487, section 2.3): with s the quantile of
/// |x0| in a sample, kept within [range, max], clip to [-s, s] and scale that to [-range, range].
template <Array A>
A dynamic_threshold(const A& x0, const ThresholdConfig& config) {
  std::vector<double> lo, hi, scale;
  for (double s : abs_quantile(x0, config.quantile)) {
    if (!(s >= config.range)) s = config.range;  // also where s is NaN: that stays visible in x0
    s = std::min(s, config.max);
    lo.push_back(-s);
    hi.push_back(s);
    scale.push_back(config.range / s);
  }
  return lincomb(std::move(scale), clamp(x0, std::move(lo), std::move(hi)));
}

/// A denoiser whose x0 is kept in range; `level` says where its t stands. Put it outside guidance, which is
/// what leaves the range.
template <Array A>
Denoiser<A> threshold_denoiser(Denoiser<A> denoiser, LevelFunction level, const ThresholdConfig& config) {
  check_threshold(config);
  if (config.kind == "none") return denoiser;
  return [denoiser = std::move(denoiser), level = std::move(level), config](const A& x_t, double t,
                                                                            const Cond<A>& cond) {
    Prediction<A> prediction = denoiser(x_t, t, cond);
    prediction.x0 = config.kind == "clip" ? clip_x0(prediction.x0, config.range)
                                          : dynamic_threshold(prediction.x0, config);
    if (config.rederive_eps) prediction.eps = eps_from_x0(x_t, prediction.x0, level(t));
    return prediction;
  };
}

template <Array A>
Denoiser<A> threshold_denoiser(Denoiser<A> denoiser, Schedule schedule, const ThresholdConfig& config) {
  const auto level = [schedule = std::move(schedule)](double t) { return schedule.level(t); };
  return threshold_denoiser(std::move(denoiser), LevelFunction(level), config);
}

}  // namespace langevin
