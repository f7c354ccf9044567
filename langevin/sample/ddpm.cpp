#include "langevin/sample/ddpm.h"

#include <algorithm>

#include "langevin/core/config.h"

namespace langevin {

std::vector<std::string> ddpm_variance_types() { return {"fixed_small", "fixed_large"}; }

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
  const double variance = type == DdpmVariance::fixed_large
                              ? 1 - alpha_bar_t / alpha_bar_s
                              : posterior_between(alpha_bar_s, alpha_bar_t).variance;
  return std::max(variance, 1e-20);
}

}  // namespace langevin
