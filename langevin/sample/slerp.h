// Between two noises along the sphere that noise lies near: Shoemake 1985, "Animating rotation with
// quaternion curves"; used on x_T by Song et al. 2020, arXiv:2010.02502, appendix D.5.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "langevin/core/array.h"
#include "langevin/diffusion/coef.h"

namespace langevin {

/// Weights of a and b, and of a direction orthogonal to a where theirs are opposite.
struct SlerpWeights {
  double a = 0, b = 0, orthogonal = 0;
};

/// At `u` in [0, 1] of the way (0: a, 1: b), for vectors of those lengths whose directions are `chord` apart
/// and add up to length `sum` (chord^2 + sum^2 = 4). The direction turns evenly, the length goes linearly.
/// Directions that are alike are mixed as a line; opposite ones have no shortest way and go through the
/// orthogonal. A length of 0 has no direction: a line too. Error unless u is in [0, 1].
SlerpWeights slerp_weights(double length_a, double length_b, double chord, double sum, double u);

/// A direction of length 1 orthogonal to `unit` (each sample of length 1, two elements or more), always the
/// same one at the same place in a batch. By Gram and Schmidt from fixed noise; n . unit is had from lengths:
/// |n + unit|^2 - |n|^2 - 1.
template <Array A>
A orthogonal_to(const A& unit) {
  A n = noise_like(unit, NoiseKey{0, 0, Purpose::edit_noise, 0});
  for (int pass = 0; pass < 2; ++pass) {  // the second takes out what rounding left in
    const std::vector<double> length = norm(n), moved = norm(lincomb(1.0, n, 1.0, unit));
    std::vector<double> of_n, of_unit;
    for (size_t i = 0; i < length.size(); ++i) {
      const double along = (moved[i] * moved[i] - length[i] * length[i] - 1) / 2;
      const double left = std::sqrt(std::max(0.0, length[i] * length[i] - along * along));
      of_n.push_back(left > 0 ? 1 / left : 0.0);
      of_unit.push_back(left > 0 ? -along / left : 0.0);
    }
    n = lincomb(std::move(of_n), n, std::move(of_unit), unit);
  }
  return n;
}

/// Each sample of a and b (B, ...) by itself, `u` of the way (one for all or one per sample).
template <Array A>
A slerp(const A& a, const A& b, const Coef& u) {
  const int64_t batch = batch_size(a);
  u.check_batch(batch);
  const std::vector<double> of_a = norm(a), of_b = norm(b);
  const auto inverse = [](double length) { return length > 0 ? 1 / length : 0.0; };
  const A to_a = lincomb(map_coef(inverse, Coef(of_a)), a), to_b = lincomb(map_coef(inverse, Coef(of_b)), b);
  const std::vector<double> chord = norm(lincomb(1.0, to_b, -1.0, to_a)),
                            sum = norm(lincomb(1.0, to_b, 1.0, to_a));
  std::vector<double> wa, wb, wo;
  bool opposite = false;
  for (int64_t i = 0; i < batch; ++i) {
    const auto at = static_cast<size_t>(i);
    const SlerpWeights w = slerp_weights(of_a[at], of_b[at], chord[at], sum[at], u[i]);
    wa.push_back(w.a);
    wb.push_back(w.b);
    wo.push_back(w.orthogonal);
    opposite |= w.orthogonal != 0;
  }
  if (!opposite) return lincomb(std::move(wa), a, std::move(wb), b);
  return lincomb(std::move(wa), a, std::move(wb), b, std::move(wo), orthogonal_to(to_a));
}

}  // namespace langevin
