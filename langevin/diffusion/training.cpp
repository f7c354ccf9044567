#include "langevin/diffusion/training.h"

#include <cmath>

namespace langevin {
namespace {

TrainingLevel ddpm_level(const Target& target, double t, const LossWeightConfig& loss) {
  check(t >= 0 && t == std::floor(t), "training_level", "t must be a timestep, got {}", t);
  const auto index = static_cast<int64_t>(t);
  const double alpha = target.schedule()->alpha(index), sigma = target.schedule()->sigma(index);
  TrainingLevel level{t, alpha, sigma, 0, 0, 1};
  switch (target.prediction()) {
    case PredictionType::epsilon:
      level.answer_eps = 1;
      break;
    case PredictionType::sample:
      level.answer_x0 = 1;
      break;
    case PredictionType::v_prediction:
      level.answer_x0 = -sigma;
      level.answer_eps = alpha;
      break;
  }
  level.weight = loss_weight(target.schedule()->snr(index), target.prediction(), loss);
  return level;
}

/// (x_0 - c_skip (x_0 + sigma eps)) / c_out with 1 - c_skip = sigma^2 c_in^2 worked in: nothing cancels.
TrainingLevel edm_level(double sigma, double sigma_data) {
  const EdmCoefs c = edm_coefs(sigma, sigma_data);
  return {c.noise, c.in, c.in * sigma, sigma * c.in / sigma_data, -sigma_data * c.in, 1};
}

}  // namespace

TrainingLevel training_level(const Target& target, double t, const LossWeightConfig& loss) {
  if (target.schedule()) return ddpm_level(target, t, loss);
  check(loss.kind == "none", "training_level", "the loss weight {} is one of timesteps, not of {}", loss.kind,
        target.config().kind);
  if (target.config().kind == "edm") return edm_level(t, target.config().sigma_data);
  const Level level = flow_level(t);
  return {t * target.config().time_scale, level.alpha[0], level.sigma[0], -1, 1, 1};
}

}  // namespace langevin
