#include "langevin/eval/frechet.h"

#include <algorithm>

#include "langevin/core/check.h"

namespace langevin {

FrechetSide frechet_side(const GaussianFit& g) {
  FrechetSide side{g.mean, 0, covariance_root(g.covariance, g.dim())};
  for (int64_t i = 0; i < g.dim(); ++i) side.trace += g.covariance[static_cast<size_t>(i * g.dim() + i)];
  return side;
}

double frechet_distance(const FrechetSide& a, const FrechetSide& b) {
  check(a.mean.size() == b.mean.size(), "frechet_distance", "{} and {} features are not of one network",
        a.mean.size(), b.mean.size());
  double distance = a.trace + b.trace;
  for (size_t i = 0; i < a.mean.size(); ++i) {
    const double away = a.mean[i] - b.mean[i];
    distance += away * away;
  }
  for (const double s : singular_values(transposed_product(a.root, b.root))) distance -= 2 * s;
  return std::max(0.0, distance);
}

double frechet_distance(const GaussianFit& a, const GaussianFit& b) {
  return frechet_distance(frechet_side(a), frechet_side(b));
}

}  // namespace langevin
