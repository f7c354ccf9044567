#include "langevin/diffusion/loss_aware.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "langevin/core/check.h"

namespace langevin {

LossAwareTimes::LossAwareTimes(int64_t T) : cold_(T) {
  check(T >= 1, "LossAwareTimes", "T must be at least 1, got {}", T);
  terms_.resize(static_cast<size_t>(T * history));
  seen_.resize(static_cast<size_t>(T));
}

void LossAwareTimes::add(int64_t t, double term) {
  check(t >= 0 && t < T(), "LossAwareTimes", "t must be in [0, {}], got {}", T() - 1, t);
  if (!std::isfinite(term)) return;
  int64_t& seen = seen_[static_cast<size_t>(t)];
  terms_[static_cast<size_t>(t * history + seen % history)] = term;
  if (++seen == history) --cold_;
  stale_ = true;
}

void LossAwareTimes::refresh() const {
  if (!stale_) return;
  const auto n = static_cast<size_t>(T());
  std::vector<double> p(n, 1.0);
  double sum = 0;
  for (size_t t = 0; t < n && warm(); ++t) {
    double squares = 0;
    for (size_t j = 0; j < static_cast<size_t>(history); ++j) {
      const double term = terms_[t * static_cast<size_t>(history) + j];
      squares += term * term;
    }
    p[t] = std::sqrt(squares / static_cast<double>(history));
    sum += p[t];
  }
  const double even = 1 / static_cast<double>(n);
  cumulative_.assign(n + 1, 0);
  for (size_t t = 0; t < n; ++t) {
    const double share = sum > 0 ? (1 - uniform_share) * p[t] / sum + uniform_share * even : even;
    cumulative_[t + 1] = cumulative_[t] + share;
  }
  stale_ = false;
}

double LossAwareTimes::probability(int64_t t) const {
  check(t >= 0 && t < T(), "LossAwareTimes", "t must be in [0, {}], got {}", T() - 1, t);
  refresh();
  const auto at = static_cast<size_t>(t);
  return (cumulative_[at + 1] - cumulative_[at]) / cumulative_.back();
}

LossAwareTimes::Draw LossAwareTimes::draw(double u) const {
  check(u > 0 && u < 1, "LossAwareTimes", "u must be in (0, 1), got {}", u);
  refresh();
  const auto above = std::upper_bound(cumulative_.begin(), cumulative_.end(), u * cumulative_.back());
  const int64_t t = std::clamp<int64_t>(above - cumulative_.begin() - 1, 0, T() - 1);
  return {t, 1 / (static_cast<double>(T()) * probability(t))};
}

void LossAwareTimes::restore(std::vector<double> terms, std::vector<int64_t> seen) {
  check(terms.size() == terms_.size() && seen.size() == seen_.size(), "LossAwareTimes",
        "{} terms of {} timesteps do not belong to a schedule of {}", terms.size(), seen.size(), T());
  terms_ = std::move(terms);
  seen_ = std::move(seen);
  cold_ = std::count_if(seen_.begin(), seen_.end(), [](int64_t n) { return n < history; });
  stale_ = true;
}

}  // namespace langevin
