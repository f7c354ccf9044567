#include "langevin/diffusion/path.h"

#include <algorithm>
#include <utility>

#include "langevin/core/check.h"

namespace langevin {
namespace {

void check_time(const NoisePath& path, double t) {
  check(t >= path.t_end && t <= path.t_max, path.name, "t must be in [{}, {}], got {}", path.t_end,
        path.t_max, t);
}

/// The fractional timestep where alphas_cumprod is alpha_bar; kept within [-1, T-1].
double time_of(const Schedule& schedule, double log_alpha_bar) {
  if (!(log_alpha_bar < 0)) return -1;
  const auto table = schedule.alphas_cumprod();
  const double alpha_bar = std::exp(log_alpha_bar);
  const auto below =
      std::partition_point(table.begin(), table.end(), [&](double v) { return v > alpha_bar; });
  if (below == table.end()) return static_cast<double>(schedule.T() - 1);
  const auto i = static_cast<int64_t>(below - table.begin());
  const double left = schedule.alpha_bar(i - 1), right = *below;
  if (right == 0) return static_cast<double>(i) - std::sqrt(alpha_bar / left);  // alpha is linear there
  const double part = (log_alpha_bar - std::log(left)) / std::log(right / left);
  return static_cast<double>(i - 1) + std::clamp(part, 0.0, 1.0);
}

/// A path whose amplitudes and inverse (lambda to t) are formulas.
NoisePath make_path(NoisePath path, std::function<PathPoint(double)> at, std::function<double(double)> time) {
  const NoisePath range = path;
  path.at = [range, at](double t) {
    check_time(range, t);
    return at(t);
  };
  path.at_lambda = [range, at, time = std::move(time)](double lambda) {
    return at(std::clamp(time(lambda), range.t_end, range.t_max));
  };
  return path;
}

}  // namespace

NoisePath discrete_path(const Schedule& schedule) {
  const NoisePath range{"discrete path", static_cast<double>(schedule.T() - 1), 0, -1, {}, {}};
  return make_path(
      range,
      [schedule](double t) {
        const Level level = schedule.level(t);
        return PathPoint{t, level.alpha[0], level.sigma[0]};
      },
      // log alphas_cumprod = log sigmoid(2 lambda)
      [schedule](double lambda) { return time_of(schedule, -std::log1p(std::exp(-2 * lambda))); });
}

NoisePath vp_path(double beta_min, double beta_max) {
  check(beta_min > 0 && beta_max > beta_min, "vp_path", "needs 0 < beta_min < beta_max, got {} and {}",
        beta_min, beta_max);
  const double slope = beta_max - beta_min;
  return make_path(
      {"vp path", 1, 1e-3, 0, {}, {}},
      [=](double t) {
        const double log_alpha = -t * t * slope / 4 - t * beta_min / 2;
        return PathPoint{t, std::exp(log_alpha), std::sqrt(-std::expm1(2 * log_alpha))};
      },
      [=](double lambda) {  // the positive root of slope t^2 / 4 + beta_min t / 2 = -log alpha
        const double minus_log_alpha = 0.5 * std::log1p(std::exp(-2 * lambda));
        return 4 * minus_log_alpha /
               (beta_min + std::sqrt(beta_min * beta_min + 4 * slope * minus_log_alpha));
      });
}

NoisePath edm_path(double sigma_min, double sigma_max) {
  check(sigma_min > 0 && sigma_max > sigma_min && std::isfinite(sigma_max), "edm_path",
        "needs 0 < sigma_min < sigma_max, got {} and {}", sigma_min, sigma_max);
  return make_path(
      {"EDM path", sigma_max, sigma_min, 0, {}, {}},
      [](double t) {
        return PathPoint{t, 1, t};
      },
      [](double lambda) { return std::exp(-lambda); });
}

NoisePath flow_path() {
  return make_path(
      {"flow path", 1, 0, 0, {}, {}},
      [](double t) {
        return PathPoint{t, 1 - t, t};
      },
      [](double lambda) { return 1 / (1 + std::exp(lambda)); });
}

}  // namespace langevin
