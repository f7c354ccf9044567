// Which time each training sample is noised to, for every target (target.h). Pure functions of the seed and
// of the place in the training stream, as timesteps.h has them: a share u in (0, 1) is drawn, alone or
// stratified over the batch, and the time is that quantile of the density wanted.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "langevin/diffusion/target.h"

namespace langevin {

/// Uniform in (0, 1) for the sample at place `sample` of the training stream.
double time_uniform(uint64_t seed, uint64_t sample);

/// The z with P(Z < z) = u, Z standard normal; u in (0, 1), else Error. Exact to 1e-12 for u above 1e-300.
double normal_quantile(double u);

/// Quantile u of log sigma ~ N(mean, stddev^2), as sigma (2206.00364, table 1). Error: stddev not above 0.
double edm_sigma(double u, double mean = -1.2, double stddev = 1.2);

/// Quantile u of t = 1 / (1 + e^-z), z ~ N(mean, stddev^2) (Esser et al. 2024, arXiv:2403.03206, eq. 19):
/// flow matching trains most on the middle of the path. In (0, 1). Error: stddev not above 0.
double logit_normal_time(double u, double mean = 0, double stddev = 1);

struct TimeDraws {
  std::string spread = "uniform";  // one of timestep_draws(): each sample alone, or the batch evenly
  /// The whole range alike in place of the target's own density: t uniform, and sigma log-uniform from
  /// sigma_min to sigma_max (a classifier for guidance must know every level).
  bool whole_range = false;
  double edm_mean = -1.2, edm_stddev = 1.2;  // edm: of log sigma
  std::string flow_times = "logit_normal";   // flow: one of flow_densities()
  double flow_mean = 0, flow_stddev = 1;     // flow: of logit t
};
std::vector<std::string> flow_densities();  // "logit_normal", "uniform"

/// Where a sample stands in training.
struct TrainingPlace {
  uint64_t sample = 0;              // of the training stream
  uint64_t step = 0;                // of training,
  int64_t position = 0, batch = 1;  // and within that step's batch (all its parts)
};

struct DrawnTime {
  double t = 0;      // on the target's path
  double share = 0;  // of draws below it, in [0, 1): what logs sort losses by
};

/// Quantile u of the density; of ddpm a timestep, floor(T u). u in (0, 1).
double time_at(const Target& target, const TimeDraws& draws, double u);
DrawnTime draw_time(const Target& target, const TimeDraws& draws, uint64_t seed, const TrainingPlace& place);

}  // namespace langevin
