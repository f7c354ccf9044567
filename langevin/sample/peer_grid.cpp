// The grids of diffusers 0.21, for reproducing what was made there.
#include <algorithm>
#include <cmath>
#include <utility>

#include "langevin/core/check.h"
#include "langevin/sample/sampler_grid.h"

namespace langevin {
namespace {

double nearest_even(double x) { return std::nearbyint(x); }

std::vector<double> rho_table(const Schedule& schedule) {
  std::vector<double> out;
  for (int64_t t = 0; t < schedule.T(); ++t) out.push_back(schedule.sigma(t) / schedule.alpha(t));
  return out;
}

/// `divisions` is N for the sigmas kind and N + 1, less the last, for multistep.
std::vector<double> even_timesteps(const GridConfig& config, double T, int64_t divisions, bool whole) {
  std::vector<double> out;
  const double n = static_cast<double>(divisions);
  for (int64_t i = 0; i < config.steps; ++i) {
    const double k = static_cast<double>(divisions - 1 - i);  // place in rising order
    if (config.kind == "leading") {
      out.push_back(k * std::floor(T / n) + static_cast<double>(config.steps_offset));
    } else if (config.kind == "trailing") {
      const double step = T / static_cast<double>(config.steps);
      out.push_back(nearest_even(T - static_cast<double>(i) * step) - 1);
    } else {
      const double t = divisions == 1 ? 0 : (T - 1) * k / (n - 1);
      out.push_back(whole ? nearest_even(t) : t);
    }
  }
  return out;
}

/// Where log rho lies in the table of its logarithms, linearly.
double time_of(const std::vector<double>& rhos, double rho) {
  const auto above = std::upper_bound(rhos.begin(), rhos.end(), rho);
  const auto i = std::clamp<int64_t>(above - rhos.begin() - 1, 0, static_cast<int64_t>(rhos.size()) - 2);
  const double lo = std::log(rhos[static_cast<size_t>(i)]), hi = std::log(rhos[static_cast<size_t>(i) + 1]);
  return static_cast<double>(i) + std::clamp((std::log(rho) - lo) / (hi - lo), 0.0, 1.0);
}

/// The point of that rho on a variance preserving schedule.
PathPoint point(double t, double rho) {
  const double alpha = 1 / std::sqrt(1 + rho * rho);
  return {t, alpha, rho * alpha};
}

double interpolated(const std::vector<double>& table, double t) {
  const auto i = std::min(static_cast<size_t>(t), table.size() - 2);
  const double part = t - static_cast<double>(i);
  return (1 - part) * table[i] + part * table[i + 1];
}

void check_timestep(double t, int64_t T, const GridConfig& config) {
  check(t >= 0 && t <= static_cast<double>(T - 1), "compat_diffusers",
        "steps_offset = {} leaves the timesteps 0 to {}", config.steps_offset, T - 1);
}

/// The cleanest and noisiest level that timesteps spaced so would visit.
std::pair<double, double> rho_range(const std::vector<double>& rhos, GridConfig config,
                                    const std::string& spacing) {
  config.kind = spacing;
  const auto T = static_cast<int64_t>(rhos.size());
  const std::vector<double> t = even_timesteps(config, static_cast<double>(T), config.steps, false);
  for (double end : {t.front(), t.back()}) check_timestep(end, T, config);
  return {interpolated(rhos, t.back()), interpolated(rhos, t.front())};
}

}  // namespace

PointGrid peer_grid(const Schedule& schedule, const GridConfig& config, PeerGrid kind,
                    const std::string& range) {
  const int64_t T = schedule.T();
  check(config.kind != "log_snr", "compat_diffusers", "diffusers has no log_snr spacing");
  check(T >= 2 && config.steps >= 1 && config.steps < T && schedule.alpha(T - 1) > 0, "compat_diffusers",
        "needs 1 to T - 1 = {} steps and a schedule that keeps signal, got {} steps", T - 1, config.steps);
  const std::vector<double> rhos = rho_table(schedule);
  const bool whole = kind == PeerGrid::multistep;
  check(!whole || config.kind != "exponential", "compat_diffusers",
        "0.21 has no exponential levels for multistep solvers; leave compat_diffusers out");
  PointGrid grid;
  if (config.kind == "karras" || config.kind == "exponential") {
    const auto [lo, hi] = whole ? std::pair{rhos.front(), rhos.back()} : rho_range(rhos, config, range);
    const bool karras = config.kind == "karras";
    for (double rho :
         karras ? karras_rhos(lo, hi, config.steps, config.rho) : exponential_rhos(lo, hi, config.steps)) {
      const double t = time_of(rhos, rho), rounded = nearest_even(t);
      if (whole && !grid.empty() && grid.back().t == rounded) continue;  // each timestep once
      grid.push_back(whole ? point(rounded, rhos[static_cast<size_t>(rounded)]) : point(t, rho));
    }
  } else {
    const int64_t divisions = config.steps + (whole ? 1 : 0);
    for (double t : even_timesteps(config, static_cast<double>(T), divisions, whole)) {
      check_timestep(t, T, config);
      grid.push_back(point(t, interpolated(rhos, t)));
    }
  }
  grid.push_back(config.to_clean ? PathPoint{-1, 1, 0} : point(0, rhos[0]));
  return grid;
}

}  // namespace langevin
