// Starting from a picture instead of from noise: Meng et al. 2021, "SDEdit", arXiv:2108.01073, algorithm 1.
// The picture is noised to a level part of the way up, and the sampler walks down from there.
#pragma once

#include <cstdint>
#include <vector>

#include "langevin/sample/sampler_grid.h"

namespace langevin {

/// The time `strength` of the way from clean data (0) to the noisiest level (1): strength T - 1 on timesteps,
/// strength itself on flow_path. On EDM's path, whose time is the noise, it is even in rho^(1/7) as Karras'
/// grid is: half the strength is half of that grid's steps. Error unless strength is in [0, 1].
double strength_time(const NoisePath& path, double strength);

/// How a grid is cut where a walk begins part of the way down.
enum class CutAt {
  exactly,  // at that very time, which becomes the first point
  nearest,  // at the point of the grid nearest to it, for samplers that need the grid's own points
  share,    // so that floor(steps strength) steps are left, as in diffusers
};

/// What of `grid` is left for `strength`; the whole where that is 1. A single point, clean data, is left
/// where nothing is to be done: with strength 0 always.
PointGrid cut_grid(const NoisePath& path, PointGrid grid, double strength, CutAt cut = CutAt::exactly);

/// The same of timesteps, strictly falling; empty where nothing is to be done.
std::vector<int64_t> cut_timesteps(const std::vector<int64_t>& timesteps, int64_t T, double strength,
                                   CutAt cut = CutAt::exactly);

/// x_0 noised to a point of the path, with the noise that a whole run of that sample would start from:
/// alpha x_0 + sigma z.
template <Array A>
A noised_to(const PathPoint& point, const A& x0, const A& z) {
  return point.sigma > 0 ? lincomb(point.alpha, x0, point.sigma, z) : x0;
}

}  // namespace langevin
