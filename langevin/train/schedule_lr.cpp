#include "langevin/train/schedule_lr.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace langevin {

double learning_rate(const OptimizerRecipe& o, int64_t step, double progress) {
  double factor = 1.0;
  if (o.warmup > 0) factor = std::min(1.0, static_cast<double>(step + 1) / static_cast<double>(o.warmup));
  if (o.decay == "cosine") {
    const double p = std::clamp(progress, 0.0, 1.0);
    factor *= o.final_lr + (1 - o.final_lr) * 0.5 * (1 + std::cos(std::numbers::pi * p));
  }
  return o.lr * factor;
}

double ema_decay(double decay, bool warmup, int64_t update) {
  if (!warmup) return decay;
  const auto u = static_cast<double>(update);
  return std::min(decay, (1 + u) / (10 + u));
}

}  // namespace langevin
