#include "langevin/sample/image_to_image.h"

#include <algorithm>
#include <cmath>

#include "langevin/core/check.h"

namespace langevin {
namespace {

void check_strength(double strength) {
  check(strength >= 0 && strength <= 1, "strength", "must be in [0, 1], got {}", strength);
}

/// Steps that floor(steps strength) leaves out; a strength of 0.3 means 3 of 10 steps, not the 2 of its
/// rounding.
size_t steps_left_out(size_t steps, double strength) {
  const double left = std::floor(static_cast<double>(steps) * strength + 1e-9);
  return steps - std::min(steps, static_cast<size_t>(left));
}

/// Which of `n` falling times is nearest to `time`; the last is not a step of the sampler but its end.
template <class TimeAt>
size_t nearest_time(size_t n, double time, TimeAt&& time_at) {
  size_t best = 0;
  for (size_t i = 1; i < n; ++i) {
    if (std::abs(time_at(i) - time) < std::abs(time_at(best) - time)) best = i;
  }
  return best;
}

}  // namespace

double strength_time(const NoisePath& path, double strength) {
  check_strength(strength);
  const double start = path.t_max, end = path.t_end;
  if (path.at(start).alpha == 1) {  // variance exploding
    const double root = strength * std::pow(path.at(start).sigma, 1.0 / 7);
    return std::clamp(std::pow(root, 7), end, start);
  }
  return end + strength * (start - end);
}

PointGrid cut_grid(const NoisePath& path, PointGrid grid, double strength, CutAt cut) {
  check_strength(strength);
  check(grid.size() >= 2, "cut_grid", "a grid needs 2 points or more, got {}", grid.size());
  if (strength == 1) return grid;
  const double time = strength_time(path, strength);
  if (strength == 0 || time < path.t_min) return {path.at(path.t_end)};  // no denoiser is asked there
  const auto keep_from = [&](size_t first) {
    return PointGrid(grid.begin() + static_cast<std::ptrdiff_t>(first), grid.end());
  };
  const size_t steps = grid.size() - 1;
  if (cut == CutAt::share) return keep_from(steps_left_out(steps, strength));
  if (cut == CutAt::nearest) {
    return keep_from(nearest_time(steps, time, [&](size_t i) { return grid[i].t; }));
  }
  const double tiny = 1e-9 * (1 + std::abs(path.t_max));
  const auto below =
      std::find_if(grid.begin(), grid.end(), [&](const PathPoint& p) { return p.t <= time + tiny; });
  if (below == grid.end()) return {path.at(path.t_end)};
  PointGrid left(below, grid.end());
  // Above the whole grid (leading spacing) a walk begins with the grid; between two points, between them.
  if (below != grid.begin() && time - left.front().t > tiny) left.insert(left.begin(), path.at(time));
  return left;
}

std::vector<int64_t> cut_timesteps(const std::vector<int64_t>& timesteps, int64_t T, double strength,
                                   CutAt cut) {
  check_strength(strength);
  check_grid(timesteps, T, "cut_timesteps");
  if (strength == 1) return timesteps;
  const auto keep_from = [&](size_t first) {
    return std::vector<int64_t>(timesteps.begin() + static_cast<std::ptrdiff_t>(first), timesteps.end());
  };
  if (cut == CutAt::share) return keep_from(steps_left_out(timesteps.size(), strength));
  const int64_t time = std::llround(strength * static_cast<double>(T)) - 1;
  if (time < 0) return {};
  if (cut == CutAt::nearest) {
    const auto at = [&](size_t i) { return static_cast<double>(timesteps[i]); };
    return keep_from(nearest_time(timesteps.size(), static_cast<double>(time), at));
  }
  std::vector<int64_t> left;
  if (time < timesteps.front()) left.push_back(time);
  for (int64_t t : timesteps) {
    if (left.empty() ? t <= time : t < time) left.push_back(t);
  }
  return left;
}

}  // namespace langevin
