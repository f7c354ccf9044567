#include "langevin/sample/threshold.h"

#include <cmath>

#include "langevin/core/config.h"

namespace langevin {

std::vector<std::string> threshold_kinds() { return {"none", "clip", "dynamic"}; }

void check_threshold(const ThresholdConfig& config) {
  const auto kinds = threshold_kinds();
  if (std::find(kinds.begin(), kinds.end(), config.kind) == kinds.end()) {
    throw Error(unknown_name("threshold", config.kind, kinds));
  }
  check(config.range > 0 && std::isfinite(config.range), "threshold", "range must be above 0, got {}",
        config.range);
  check(config.quantile >= 0 && config.quantile <= 1, "threshold", "quantile must be in [0, 1], got {}",
        config.quantile);
  check(config.max >= config.range, "threshold", "max must be at least range = {}, got {}", config.range,
        config.max);
}

}  // namespace langevin
