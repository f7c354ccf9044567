#include "langevin/diffusion/variance.h"

#include <algorithm>
#include <cmath>

#include "langevin/core/names.h"
#include "langevin/diffusion/process.h"

namespace langevin {

std::vector<std::string> ddpm_variance_types() { return {"fixed_small", "fixed_large", "learned_range"}; }

std::string to_string(DdpmVariance variance) {
  return ddpm_variance_types().at(static_cast<size_t>(variance));
}

DdpmVariance ddpm_variance_type(const std::string& name) {
  const auto names = ddpm_variance_types();
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<DdpmVariance>(i);
  }
  throw Error(unknown_name("DDPM variance", name, names));
}

double ddpm_variance(double alpha_bar_s, double alpha_bar_t, DdpmVariance type) {
  check(type != DdpmVariance::learned_range, "ddpm_variance",
        "learned_range is what a network says of each element; it is no number of the schedule");
  const double variance = type == DdpmVariance::fixed_large
                              ? 1 - alpha_bar_t / alpha_bar_s
                              : posterior_between(alpha_bar_s, alpha_bar_t).variance;
  return std::max(variance, 1e-20);
}

LogVarianceRange log_variance_range(const Schedule& schedule, int64_t t) {
  check(t >= 0 && t < schedule.T(), "log_variance_range", "t must be in [0, {}], got {}", schedule.T() - 1,
        t);
  const auto at = static_cast<size_t>(t);
  return {schedule.posterior_log_variance_clipped()[at], std::log(schedule.betas()[at])};
}

LogVarianceRange log_variance_range(double alpha_bar_s, double alpha_bar_t) {
  return {std::log(ddpm_variance(alpha_bar_s, alpha_bar_t, DdpmVariance::fixed_small)),
          std::log(ddpm_variance(alpha_bar_s, alpha_bar_t, DdpmVariance::fixed_large))};
}

double fixed_log_variance(const Schedule& schedule, int64_t t, DdpmVariance type) {
  check(type != DdpmVariance::learned_range, "fixed_log_variance",
        "learned_range is what a network says of each element; it is no number of the schedule");
  const LogVarianceRange range = log_variance_range(schedule, t);
  return type == DdpmVariance::fixed_large && t > 0 ? range.hi : range.lo;
}

}  // namespace langevin
