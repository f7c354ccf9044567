// Draws of a continuous time for training. Pure functions of the seed and of the place in the training
// stream, as timesteps.h has them for discrete t.
#pragma once

#include <cstdint>

namespace langevin {

/// Uniform in (0, 1).
double time_uniform(uint64_t seed, uint64_t sample);

/// Standard normal: the number behind edm_sigma and logit_normal_time.
double time_normal(uint64_t seed, uint64_t sample);

/// t = 1 / (1 + e^-u), u ~ N(mean, stddev^2) (Esser et al. 2024, arXiv:2403.03206, eq. 19): flow matching
/// trains most on the middle of the path. In (0, 1).
double logit_normal_time(uint64_t seed, uint64_t sample, double mean = 0, double stddev = 1);

}  // namespace langevin
