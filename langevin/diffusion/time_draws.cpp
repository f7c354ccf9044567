#include "langevin/diffusion/time_draws.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "langevin/core/check.h"
#include "langevin/core/rng.h"

namespace langevin {
namespace {

// Beside the streams of timesteps.cpp (0 and 1): each kind of draw has its own NoiseKey::step.
constexpr uint32_t kUniformTime = 2;
constexpr uint32_t kNormalTime = 3;

}  // namespace

double time_uniform(uint64_t seed, uint64_t sample) {
  return RandomStream({seed, sample, Purpose::timestep, kUniformTime}).uniform();
}

double time_normal(uint64_t seed, uint64_t sample) {
  return RandomStream({seed, sample, Purpose::timestep, kNormalTime}).normal();
}

double logit_normal_time(uint64_t seed, uint64_t sample, double mean, double stddev) {
  check(stddev > 0 && std::isfinite(mean) && std::isfinite(stddev), "logit_normal_time",
        "needs a finite mean and stddev above 0, got {} and {}", mean, stddev);
  const double t = 1 / (1 + std::exp(-(mean + stddev * time_normal(seed, sample))));
  return std::clamp(t, std::numeric_limits<double>::min(), 1 - std::numeric_limits<double>::epsilon() / 2);
}

}  // namespace langevin
