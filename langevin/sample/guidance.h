// Classifier-free guidance: Ho & Salimans 2022, arXiv:2207.12598, with rescaling and an interval.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "langevin/diffusion/denoiser.h"

namespace langevin {

struct GuidanceConfig {
  double scale = 1;  // g = 1 + w of the paper: 0 unconditional, 1 conditional, above 1 stronger
  /// The class that stands for "none"; -1: the network is called without labels for that.
  int64_t null_label = -1;
  /// phi of Lin et al. 2023, arXiv:2305.08891, section 3.4, in [0, 1]: how far the guided output's standard
  /// deviation is brought back to the conditional one's (0: not at all; the paper takes 0.7).
  double rescale = 0;
  /// Guided only where sigma / alpha is in (interval_lo, interval_hi], conditional elsewhere (Kynkaanniemi et
  /// al. 2024, arXiv:2404.07724, eq. 6, in EDM's sigma).
  double interval_lo = 0;
  double interval_hi = std::numeric_limits<double>::infinity();
};

/// Throws Error on a value out of range.
void check_guidance(const GuidanceConfig& config);
/// Whether the interval leaves out nothing.
bool guides_everywhere(const GuidanceConfig& config);
/// Whether that level lies in the interval.
bool guides_at(const GuidanceConfig& config, const Level& level);

/// unconditional + scale (conditional - unconditional): eq. 6 with scale = 1 + w. Being linear it may be
/// applied to x0, eps, v or the raw output of a network alike: a backend that can put both halves into one
/// batch of 2 B guides its Network with this and needs no guided_denoiser; the numbers are the same up to
/// rounding.
template <Array A>
A guide(const A& unconditional, const A& conditional, double scale) {
  return lincomb(1 - scale, unconditional, scale, conditional);
}

/// The standard deviation of each sample's elements. A sum is had from norms: |x + 1|^2 - |x|^2 - D = 2 sum
/// x.
template <Array A>
std::vector<double> sample_stddev(const A& x) {
  const int64_t batch = batch_size(x);
  const double elements = batch > 0 ? static_cast<double>(element_count(shape_of(x)) / batch) : 0;
  const A ones = clamp(lincomb(0.0, x), 1.0, 1.0);
  const std::vector<double> length = norm(x), moved = norm(lincomb(1.0, x, 1.0, ones));
  std::vector<double> out(length.size());
  for (size_t i = 0; i < out.size(); ++i) {
    const double square = length[i] * length[i];
    const double mean = (moved[i] * moved[i] - square - elements) / (2 * elements);
    out[i] = std::sqrt(std::max(0.0, square / elements - mean * mean));
  }
  return out;
}

/// 2305.08891, eqs. 15 and 16: guided (phi std(conditional) / std(guided) + 1 - phi), per sample, on the
/// network's own output (eps, x_0 or v).
template <Array A>
A rescale_guided(const A& guided, const A& conditional, double phi) {
  const auto factor = [phi](double wanted, double got) {
    return got > 0 ? phi * wanted / got + 1 - phi : 1.0;
  };
  return lincomb(map_coef(factor, Coef(sample_stddev(conditional)), Coef(sample_stddev(guided))), guided);
}

/// Where a denoiser's t stands: what rescaling and the interval need to know. Of a Schedule:
/// [schedule](double t) { return schedule.level(t); }; of a NoisePath its `at`.
struct GuidanceLevels {
  LevelFunction level;
  PredictionType type = PredictionType::epsilon;  // of the network: what rescaling is applied to
};

/// A denoiser that pushes towards the classes asked for and away from `negative` (if it says nothing: from
/// the null class). Calls `denoiser` twice a step, or once for scale 0 (without condition), scale 1 (with),
/// outside the interval (with) and for a batch without labels (without). Throws Error on values out of range,
/// and when rescale or an interval is asked for without levels.
template <Array A>
Denoiser<A> guided_denoiser(Denoiser<A> denoiser, const GuidanceConfig& config, GuidanceLevels levels = {},
                            Cond<A> negative = {}) {
  check_guidance(config);
  const bool everywhere = guides_everywhere(config);
  check(levels.level || (everywhere && config.rescale == 0), "guided_denoiser",
        "rescale and the interval need to know the levels; hand over the schedule's");
  return [denoiser = std::move(denoiser), config, everywhere, levels = std::move(levels),
          negative = std::move(negative)](const A& x_t, double t, const Cond<A>& cond) -> Prediction<A> {
    check_cond(x_t, cond);
    const bool asked = !cond.class_labels.empty();
    if (asked && config.scale == 1) return denoiser(x_t, t, cond);
    if (asked && !everywhere && !guides_at(config, levels.level(t))) return denoiser(x_t, t, cond);
    Cond<A> none = cond;
    none.class_labels = negative.class_labels;
    if (none.class_labels.empty() && config.null_label >= 0)
      none.class_labels.assign(static_cast<size_t>(batch_size(x_t)), config.null_label);
    const Prediction<A> unconditional = denoiser(x_t, t, none);
    if (!asked || config.scale == 0) return unconditional;
    const Prediction<A> conditional = denoiser(x_t, t, cond);
    // A learned variance is not pushed anywhere: it stays that of the class.
    const Prediction<A> guided{guide(unconditional.x0, conditional.x0, config.scale),
                               guide(unconditional.eps, conditional.eps, config.scale), conditional.variance};
    if (config.rescale == 0) return guided;
    const Level level = levels.level(t);
    const A output = prediction_target(guided.x0, guided.eps, level, levels.type);
    const A wanted = prediction_target(conditional.x0, conditional.eps, level, levels.type);
    Prediction<A> rescaled =
        to_prediction(rescale_guided(output, wanted, config.rescale), x_t, level, levels.type);
    rescaled.variance = conditional.variance;
    return rescaled;
  };
}

}  // namespace langevin
