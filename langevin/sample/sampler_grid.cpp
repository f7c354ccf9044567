#include "langevin/sample/sampler_grid.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "langevin/core/check.h"
#include "langevin/core/names.h"

namespace langevin {
namespace {

void check_kind(const std::string& kind) {
  const auto kinds = grid_kinds();
  if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) {
    throw Error(unknown_name("timestep spacing", kind, kinds));
  }
}

/// The noisiest and cleanest rho of a grid, both finite and within the path.
std::pair<double, double> rho_range(const NoisePath& path, const GridConfig& config) {
  const std::string& kind = config.kind;
  double hi = path.at(path.t_max).rho(), lo = path.at(path.t_min).rho();
  check(std::isfinite(hi) && lo > 0 && hi > lo, "sampler grid",
        "{} spacing needs signal at the noisiest level and noise at the cleanest (the noise of x / alpha "
        "goes from {} to {}); use trailing",
        kind, hi, lo);
  const double slack = 1 + 1e-6;
  for (const double asked : {config.rho_max, config.rho_min}) {
    check(asked == 0 || (asked <= hi * slack && asked >= lo / slack), "sampler grid",
          "sigma_min and sigma_max must lie in [{:.6g}, {:.6g}], the noise of this process, got {}", lo, hi,
          asked);
  }
  if (config.rho_max > 0) hi = config.rho_max;
  if (config.rho_min > 0) lo = config.rho_min;
  check(hi > lo, "sampler grid", "sigma_max must be above sigma_min, got {} and {}", hi, lo);
  return {hi, lo};
}

PointGrid points_of_rhos(const NoisePath& path, const std::vector<double>& rhos) {
  PointGrid grid;
  for (double rho : rhos) grid.push_back(path.at_lambda(-std::log(rho)));
  return grid;
}

/// Evenly in t on a continuous path.
PointGrid even_times(const NoisePath& path, const GridConfig& config) {
  check(config.kind != "leading", "sampler grid", "leading spacing needs timesteps; use trailing");
  const bool to_end = config.kind != "linspace";
  const int64_t parts = to_end ? config.steps : std::max<int64_t>(1, config.steps - 1);
  const double end = to_end ? path.t_end : path.t_min;
  PointGrid grid;
  for (int64_t i = 0; i < config.steps; ++i) {
    const double part = static_cast<double>(i) / static_cast<double>(parts);
    const double t = path.t_max + (end - path.t_max) * part;
    grid.push_back(path.at(config.shift * t / (1 + (config.shift - 1) * t)));
  }
  return grid;
}

}  // namespace

std::vector<std::string> grid_kinds() {
  return {"leading", "trailing", "linspace", "uniform", "karras", "exponential", "log_snr"};
}

std::vector<double> karras_rhos(double rho_min, double rho_max, int64_t n, double rho) {
  check(rho > 0 && rho_min > 0 && rho_max >= rho_min && n >= 1, "karras_rhos",
        "needs rho > 0, 0 < rho_min <= rho_max and n >= 1, got {}, {}, {} and {}", rho, rho_min, rho_max, n);
  const double from = std::pow(rho_max, 1 / rho), to = std::pow(rho_min, 1 / rho);
  std::vector<double> out(static_cast<size_t>(n), rho_max);
  for (int64_t i = 1; i < n; ++i) {
    const double part = static_cast<double>(i) / static_cast<double>(n - 1);
    out[static_cast<size_t>(i)] = std::pow(from + part * (to - from), rho);
  }
  return out;
}

std::vector<double> exponential_rhos(double rho_min, double rho_max, int64_t n) {
  check(rho_min > 0 && rho_max >= rho_min && n >= 1, "exponential_rhos",
        "needs 0 < rho_min <= rho_max and n >= 1, got {}, {} and {}", rho_min, rho_max, n);
  std::vector<double> out(static_cast<size_t>(n), rho_max);
  for (int64_t i = 1; i < n; ++i) {
    const double part = static_cast<double>(i) / static_cast<double>(n - 1);
    out[static_cast<size_t>(i)] = rho_max * std::pow(rho_min / rho_max, part);
  }
  return out;
}

PointGrid timestep_points(const Schedule& schedule, const std::vector<int64_t>& timesteps, bool to_clean) {
  check_grid(timesteps, schedule.T(), "timestep_points");
  PointGrid grid;
  for (int64_t t : timesteps) grid.push_back({static_cast<double>(t), schedule.alpha(t), schedule.sigma(t)});
  const int64_t end = to_clean ? -1 : 0;
  grid.push_back({static_cast<double>(end), schedule.alpha(end), schedule.sigma(end)});
  return grid;
}

PointGrid sampler_grid(const NoisePath& path, const GridConfig& config) {
  check_kind(config.kind);
  check(config.steps >= 1 && config.steps <= 1'000'000, "sampler grid", "steps must be 1 to 10^6, got {}",
        config.steps);
  check(config.rho > 0 && std::isfinite(config.rho), "sampler grid", "rho must be above 0, got {}",
        config.rho);
  check(config.shift > 0 && (config.shift == 1 || path.t_max == 1), "sampler grid",
        "shift must be above 0, and 1 where time does not go from 1 to 0, got {}", config.shift);
  PointGrid grid;
  if (config.kind == "karras" || config.kind == "exponential" || config.kind == "log_snr") {
    const auto [hi, lo] = rho_range(path, config);
    const bool ends_there = config.kind == "log_snr";
    const int64_t n = config.steps + (ends_there ? 1 : 0);
    grid = points_of_rhos(
        path, config.kind == "karras" ? karras_rhos(lo, hi, n, config.rho) : exponential_rhos(lo, hi, n));
    // Not off by a rounding.
    if (config.rho_max == 0) grid.front() = path.at(path.t_max);
    if (n > 1 && config.rho_min == 0) grid.back() = path.at(path.t_min);
    if (ends_there) return grid;
  } else if (path.is_discrete() && config.kind != "uniform") {
    const auto T = static_cast<int64_t>(path.t_max) + 1;
    for (int64_t t : timestep_grid(T, config.steps, spacing(config.kind), config.steps_offset)) {
      grid.push_back(path.at(static_cast<double>(t)));
    }
  } else {
    grid = even_times(path, config);
  }
  grid.push_back(path.at(config.to_clean ? path.t_end : path.t_min));
  return grid;
}

void check_points(const PointGrid& grid, const std::string& function, bool finite_rho) {
  check(grid.size() >= 2, function, "a grid needs 2 points or more, got {}", grid.size());
  for (size_t i = 0; i + 1 < grid.size(); ++i) {
    const PathPoint &a = grid[i], &b = grid[i + 1];
    check(
        a.sigma > 0 && b.alpha > 0 && b.sigma >= 0 && a.alpha >= 0 && b.sigma * a.alpha <= a.sigma * b.alpha,
        function, "noise must not rise along the grid and be above 0 before its end; it does at t = {} to {}",
        a.t, b.t);
  }
  check(!finite_rho || grid.front().alpha > 0, function,
        "the first level has no signal (zero terminal SNR), which this sampler cannot start from; use ddim, "
        "ddpm, dpmsolver++ or leading spacing");
}

}  // namespace langevin
