#include "langevin/sample/euler.h"

#include <numbers>

#include "langevin/core/check.h"

namespace langevin {

void check_churn(const ChurnOptions& options) {
  check(options.churn >= 0 && std::isfinite(options.churn), "churn", "must be at least 0, got {}",
        options.churn);
  check(options.t_min >= 0 && options.t_max >= options.t_min, "churn",
        "needs 0 <= s_tmin <= s_tmax, got {} and {}", options.t_min, options.t_max);
  check(options.noise > 0 && std::isfinite(options.noise), "churn", "s_noise must be above 0, got {}",
        options.noise);
}

PathPoint churned(const NoisePath& path, const PathPoint& point, const ChurnOptions& options, int64_t steps) {
  const double rho = point.rho();
  if (options.churn == 0 || rho < options.t_min || rho > options.t_max) return point;
  const double gamma = std::min(options.churn / static_cast<double>(steps), std::numbers::sqrt2 - 1);
  const PathPoint out = path.at_lambda(-std::log(rho * (1 + gamma)));
  return out.rho() > rho ? out : point;
}

}  // namespace langevin
