// Noise paths over a continuous time: where samplers that visit levels between the timesteps find them.
//
//   x_t = alpha(t) x_0 + sigma(t) eps,   rho = sigma / alpha,   lambda = log(alpha / sigma) = -log rho
//
// rho is the noise of x_t / alpha (the sigma of EDM, 2206.00364), lambda half the log-SNR (DPM-Solver,
// 2206.00927). A discrete schedule, EDM and flow matching are all paths; a denoiser takes the path's t.
#pragma once

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "langevin/diffusion/schedule.h"

namespace langevin {

/// One level: the time a denoiser is told, and the amplitudes of signal and noise there.
struct PathPoint {
  double t = 0;
  double alpha = 1;
  double sigma = 0;
  double rho() const { return sigma / alpha; }               // infinity where alpha = 0
  double lambda() const { return std::log(alpha / sigma); }  // infinity on clean data
  bool operator==(const PathPoint&) const = default;
};

/// What a sampler goes through: points[0] is where x starts, the last where it ends; the denoiser is called
/// on all but the last. t falls; only grids made as another library has them may repeat a point.
using PointGrid = std::vector<PathPoint>;

struct NoisePath {
  std::string name;
  double t_max = 1;  // the noisiest level
  double t_min = 0;  // the cleanest level a denoiser should be asked at
  double t_end = 0;  // clean data; -1: times are those of a schedule
  bool is_discrete() const { return t_end == -1; }
  std::function<PathPoint(double t)> at;              // t in [t_end, t_max], else Error
  std::function<PathPoint(double lambda)> at_lambda;  // the inverse of lambda(t), kept within the path
};

/// A discrete schedule between its timesteps: t in [-1, T-1], -1 being clean data. log alphas_cumprod is
/// linear in t between two timesteps (Schedule::level), so make_denoiser's amplitudes are those of the path
/// at every t, and at_lambda inverts that exactly. (diffusers interpolates sigma, or log sigma, linearly
/// instead: sampler_grid.h has their points for compat_diffusers.)
NoisePath discrete_path(const Schedule& schedule);

/// The variance preserving SDE with beta(t) = beta_min + t (beta_max - beta_min), t in [0, 1] (Song et al.
/// 2020, arXiv:2011.13456, eq. 33): alpha = exp(-t^2 (beta_max - beta_min) / 4 - t beta_min / 2).
NoisePath vp_path(double beta_min = 0.1, double beta_max = 20);

/// EDM (Karras et al. 2022, arXiv:2206.00364): alpha = 1, sigma = t.
NoisePath edm_path(double sigma_min = 0.002, double sigma_max = 80);

/// Flow matching on straight lines (Lipman et al. 2022, arXiv:2210.02747; Liu et al. 2022,
/// arXiv:2209.03003): alpha = 1 - t, sigma = t, t in [0, 1] with noise at 1.
NoisePath flow_path();

}  // namespace langevin
