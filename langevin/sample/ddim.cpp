#include "langevin/sample/ddim.h"

namespace langevin {

double ddim_sigma(double alpha_bar_s, double alpha_bar_t, double eta) {
  if (alpha_bar_s <= alpha_bar_t)
    return 0;  // set_alpha_to_one = false and a grid that ends at 0: nothing left to do
  return eta * std::sqrt((1 - alpha_bar_s) / (1 - alpha_bar_t)) * std::sqrt(1 - alpha_bar_t / alpha_bar_s);
}

double ddim_next_alpha_bar(const Schedule& schedule, const std::vector<int64_t>& timesteps, int64_t step,
                           const DdimOptions& options) {
  const auto steps = static_cast<int64_t>(timesteps.size());
  check(step >= 0 && step < steps, "ddim_next_alpha_bar", "step must be in [0, {}], got {}", steps - 1, step);
  int64_t s = step + 1 < steps ? timesteps[static_cast<size_t>(step + 1)] : -1;
  if (options.compat_diffusers) {
    const int64_t whole = options.whole_steps > 0 ? options.whole_steps : steps;
    s = timesteps[static_cast<size_t>(step)] - schedule.T() / whole;
  }
  if (s >= 0) return schedule.alpha_bar(s);
  return options.set_alpha_to_one ? 1.0 : schedule.alpha_bar(0);
}

}  // namespace langevin
