#include "langevin/eval/loss_by_time.h"

#include <algorithm>
#include <cmath>

#include "langevin/core/rng.h"
#include "langevin/diffusion/training.h"

namespace langevin {

std::vector<double> even_times(const NoisePath& path, int64_t count) {
  std::vector<double> times;
  const bool by_ratio = !path.is_discrete() && path.t_max > 2;  // sigma, over orders of magnitude
  for (int64_t i = 0; i < count; ++i) {
    const double u = (static_cast<double>(i) + 0.5) / static_cast<double>(count);
    double t = by_ratio ? path.t_min * std::pow(path.t_max / path.t_min, u)
                        : path.t_min + u * (path.t_max - path.t_min);
    if (path.is_discrete()) t = std::floor(t);
    if (times.empty() || times.back() != t) times.push_back(t);
  }
  return times;
}

std::vector<TimeLoss> loss_by_time(Engine& engine, const HostArrayF& x0, const std::vector<int64_t>& labels,
                                   const TimeLossOptions& options) {
  constexpr int64_t kBatch = 32;
  const Target target = target_of(engine.spec());
  std::vector<TimeLoss> found;
  for (const double t : even_times(target.path(), options.points)) {
    const TrainingLevel level = training_level(target, t);
    std::vector<double> errors;
    for (int64_t first = 0; first < x0.batch(); first += kBatch) {
      if (options.stopped && options.stopped()) return found;
      const int64_t count = std::min(kBatch, x0.batch() - first);
      const HostArrayF x = rows(x0, first, count);
      const HostArrayF eps =
          noise_like(x, NoiseKey{options.seed, static_cast<uint64_t>(first), Purpose::training_noise, 2});
      const std::vector<TrainingLevel> levels(static_cast<size_t>(count), level);
      const auto pair = training_pair<HostArrayF>(levels, x, eps);
      Cond<HostArrayF> cond;
      if (!labels.empty()) cond.class_labels.assign(labels.begin() + first, labels.begin() + first + count);
      HostArrayF answer =
          engine.forward(pair.input, std::vector<double>(static_cast<size_t>(count), level.told), cond);
      // A learned variance is a second half of channels, which the loss leaves alone.
      if (nn::learned_variance(engine.spec().network)) answer = channels(answer, 0, x.shape().at(1));
      for (const double error : mean_square_error(answer, pair.answer)) errors.push_back(error);
    }
    const auto n = static_cast<double>(errors.size());
    double sum = 0, square = 0;
    for (const double error : errors) sum += error;
    for (const double error : errors) square += (error - sum / n) * (error - sum / n);
    const PathPoint point = target.path().at(t);
    found.push_back({t, point.sigma / point.alpha, sum / n, n > 1 ? std::sqrt(square / (n - 1) / n) : 0});
  }
  return found;
}

}  // namespace langevin
