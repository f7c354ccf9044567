// Classifier guidance: Dhariwal & Nichol 2021, arXiv:2105.05233, section 4.2 and algorithm 2; Song et al.
// 2020, arXiv:2011.13456, section 5. By Bayes' rule the score of x_t given a class is its score plus
// grad_x log p(class | x_t); in eps = -sigma score:
//   eps' = eps - scale sigma grad_x log p(class | x_t),   x_0' = x_0 + scale sigma^2 / alpha grad_x ..
// scale 1 is the conditional itself where the classifier is exact; above 1 samples go nearer to the class.
#pragma once

#include <cmath>
#include <functional>
#include <utility>
#include <vector>

#include "langevin/diffusion/denoiser.h"

namespace langevin {

/// grad_x log p(classes[i] | x_t[i], t) of each sample, shaped like x_t (B, ...); t as the denoiser takes it.
template <class A>
using ClassifierGradient = std::function<A(const A& x_t, double t, const std::vector<int64_t>& classes)>;

/// A denoiser pushed towards `classes`, one for each sample of its batches. `level` says where its t stands.
/// Put it inside thresholding. Where alpha = 0, x_t holds nothing of x_0 and x_0 stays as it is. Error: scale
/// not finite; the gradient has not x_t's shape.
template <Array A>
Denoiser<A> classifier_guided_denoiser(Denoiser<A> denoiser, ClassifierGradient<A> gradient,
                                       LevelFunction level, std::vector<int64_t> classes, double scale) {
  check(std::isfinite(scale), "classifier_guided_denoiser", "scale must be finite, got {}", scale);
  if (scale == 0) return denoiser;
  return [denoiser = std::move(denoiser), gradient = std::move(gradient), level = std::move(level),
          classes = std::move(classes), scale](const A& x_t, double t, const Cond<A>& cond) {
    check(static_cast<int64_t>(classes.size()) == batch_size(x_t), "classifier_guided_denoiser",
          "needs a class for each of {} samples, got {}", batch_size(x_t), classes.size());
    Prediction<A> p = denoiser(x_t, t, cond);
    const A push = gradient(x_t, t, classes);
    check(Shape(shape_of(push)) == Shape(shape_of(x_t)), "classifier_guided_denoiser",
          "the gradient must have x_t's shape {}, got {}", to_string(Shape(shape_of(x_t))),
          to_string(Shape(shape_of(push))));
    const Level at = level(t);
    const double alpha = at.alpha[0], sigma = at.sigma[0];
    p.eps = lincomb(1.0, p.eps, -scale * sigma, push);
    if (alpha > 0) p.x0 = lincomb(1.0, p.x0, scale * sigma * sigma / alpha, push);
    return p;
  };
}

}  // namespace langevin
