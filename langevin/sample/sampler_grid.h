// The points a sampler goes through, with the last as its end. Timesteps (timestep_grid.h) are one way; the
// others place levels by their noise and may fall between timesteps.
#pragma once

#include <string>
#include <vector>

#include "langevin/diffusion/path.h"
#include "langevin/sample/timestep_grid.h"

namespace langevin {

/// leading, trailing and linspace as in timestep_grid.h, and
///   uniform      t is, from the noisiest level to clean data, between timesteps where need be
///   karras       rho^(1/7) is spaced evenly (2206.00364, eq. 5; 7 is `rho`), then the end
///   exponential  log rho is, then the end
///   log_snr      lambda is, and the last level is the end: t = 0 (DPM-Solver, 2206.00927, section 3.4)
std::vector<std::string> grid_kinds();

struct GridConfig {
  std::string kind = "trailing";
  int64_t steps = 50;        // points at which the denoiser is asked, >= 1
  int64_t steps_offset = 0;  // leading only
  double rho = 7;            // karras: > 0
  /// karras, exponential and log_snr: where the noise sigma / alpha begins and ends; 0: where the path does.
  double rho_max = 0, rho_min = 0;
  /// The last point is clean data, or else the level of t = 0. Not for log_snr.
  bool to_clean = true;
  double shift = 1;  // flow_path: t becomes shift t / (1 + (shift - 1) t) (2403.03206, eq. 23); > 0
};

/// Visited timesteps of a schedule, then the end.
PointGrid timestep_points(const Schedule& schedule, const std::vector<int64_t>& timesteps,
                          bool to_clean = true);

/// `steps` + 1 points on a path: leading, trailing and linspace are those of timestep_grid on a discrete
/// path. On a continuous one trailing is uniform, linspace divides [t_min, t_max] with the end after it, and
/// leading has no meaning. Throws Error on an unknown kind (naming the nearest), numbers out of
/// range, and where rho is infinite at the noisiest level (zero terminal SNR, flow) yet needed.
PointGrid sampler_grid(const NoisePath& path, const GridConfig& config);

/// n values from rho_max down to rho_min: the formulas behind the kinds. Error when out of range.
std::vector<double> karras_rhos(double rho_min, double rho_max, int64_t n, double rho = 7);
std::vector<double> exponential_rhos(double rho_min, double rho_max, int64_t n);

/// The points that diffusers 0.21 visits for its solver classes, differing from ours in two ways. Later
/// versions end the first kind on clean data (`to_clean`), and the second has exponential levels too.
enum class PeerGrid {
  multistep,  // DPMSolverMultistep, UniPC, DEIS: N of N + 1 divisions; 0.21 ends at t = 0
  sigmas,     // Euler, Heun, LMS, KDPM2: fractional t, sigma interpolated linearly between timesteps
};
/// `range` (leading, trailing, linspace): of the sigmas kind the timesteps whose first and last level bound
/// karras and exponential grids; the multistep kind takes the whole schedule.
PointGrid peer_grid(const Schedule& schedule, const GridConfig& config, PeerGrid kind,
                    const std::string& range = "linspace");

/// Throws Error naming `function` unless there are 2 points or more and noise never rises; with
/// `finite_rho`, also where the first has alpha = 0.
void check_points(const PointGrid& grid, const std::string& function, bool finite_rho = false);

}  // namespace langevin
