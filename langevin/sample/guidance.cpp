#include "langevin/sample/guidance.h"

namespace langevin {

void check_guidance(const GuidanceConfig& config) {
  check(std::isfinite(config.scale), "guided_denoiser", "scale must be finite, got {}", config.scale);
  check(config.rescale >= 0 && config.rescale <= 1, "guided_denoiser", "rescale must be in [0, 1], got {}",
        config.rescale);
  check(config.interval_lo >= 0 && config.interval_hi > config.interval_lo, "guided_denoiser",
        "the interval must be 0 <= lo < hi (in sigma / alpha), got {} and {}", config.interval_lo,
        config.interval_hi);
}

bool guides_everywhere(const GuidanceConfig& config) {
  return config.interval_lo == 0 && std::isinf(config.interval_hi);
}

bool guides_at(const GuidanceConfig& config, const Level& level) {
  const double rho = level.sigma[0] / level.alpha[0];  // infinity where alpha = 0
  return guides_everywhere(config) || (rho > config.interval_lo && rho <= config.interval_hi);
}

}  // namespace langevin
