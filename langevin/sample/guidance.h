// Classifier-free guidance: Ho & Salimans 2022, arXiv:2207.12598.
#pragma once

#include <cmath>
#include <utility>
#include <vector>

#include "langevin/diffusion/denoiser.h"

namespace langevin {

struct GuidanceConfig {
  double scale = 1;  // g = 1 + w of the paper: 0 unconditional, 1 conditional, above 1 stronger
  /// The class that stands for "none"; -1: the network is called without labels for that.
  int64_t null_label = -1;
};

/// unconditional + scale (conditional - unconditional): eq. 6 with scale = 1 + w. Being linear it may be
/// applied to x0, eps, v or the raw output of a network alike: a backend that can put both halves into one
/// batch of 2 B guides its Network with this and needs no guided_denoiser; the numbers are the same up to
/// rounding.
template <Array A>
A guide(const A& unconditional, const A& conditional, double scale) {
  return lincomb(1 - scale, unconditional, scale, conditional);
}

/// A denoiser that pushes towards the classes asked for. Calls `denoiser` twice a step, or once for scale 0
/// (without condition), scale 1 (with), and for a batch without labels (without). Throws unless scale is
/// finite.
template <Array A>
Denoiser<A> guided_denoiser(Denoiser<A> denoiser, const GuidanceConfig& config) {
  check(std::isfinite(config.scale), "guided_denoiser", "scale must be finite, got {}", config.scale);
  return
      [denoiser = std::move(denoiser), config](const A& x_t, double t, const Cond<A>& cond) -> Prediction<A> {
        check_cond(x_t, cond);
        const bool asked = !cond.class_labels.empty();
        if (asked && config.scale == 1) return denoiser(x_t, t, cond);
        Cond<A> none = cond;
        none.class_labels.clear();
        if (config.null_label >= 0)
          none.class_labels.assign(static_cast<size_t>(batch_size(x_t)), config.null_label);
        const Prediction<A> unconditional = denoiser(x_t, t, none);
        if (!asked || config.scale == 0) return unconditional;
        const Prediction<A> conditional = denoiser(x_t, t, cond);
        return {guide(unconditional.x0, conditional.x0, config.scale),
                guide(unconditional.eps, conditional.eps, config.scale)};
      };
}

}  // namespace langevin
