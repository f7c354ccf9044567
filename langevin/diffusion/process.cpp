#include "langevin/diffusion/process.h"

#include <utility>

namespace langevin {

Coef gather(std::span<const double> table, std::span<const int64_t> t) {
  std::vector<double> out;
  out.reserve(t.size());
  for (int64_t index : t) {
    check(index >= 0 && index < static_cast<int64_t>(table.size()), "gather", "t must be in [0, {}], got {}",
          static_cast<int64_t>(table.size()) - 1, index);
    out.push_back(table[static_cast<size_t>(index)]);
  }
  return Coef(std::move(out));
}

PosteriorCoefs posterior_between(double alpha_bar_s, double alpha_bar_t) {
  check(alpha_bar_s <= 1 && alpha_bar_s > alpha_bar_t && alpha_bar_t >= 0, "posterior_between",
        "needs 1 >= alpha_bar_s > alpha_bar_t >= 0, got {} and {}", alpha_bar_s, alpha_bar_t);
  const double ratio = alpha_bar_t / alpha_bar_s;  // alpha_{t|s}^2
  const double sigma2_s = 1 - alpha_bar_s, sigma2_t = 1 - alpha_bar_t;
  return {.x0 = std::sqrt(alpha_bar_s) * (1 - ratio) / sigma2_t,
          .x_t = std::sqrt(ratio) * sigma2_s / sigma2_t,
          .variance = (1 - ratio) * sigma2_s / sigma2_t};
}

}  // namespace langevin
