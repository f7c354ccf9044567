#include "langevin/diffusion/timesteps.h"

#include <algorithm>
#include <cmath>

#include "langevin/core/check.h"
#include "langevin/core/rng.h"

namespace langevin {
namespace {

// The two kinds of draw must not share numbers: they differ in NoiseKey::step.
constexpr uint32_t kUniformStream = 0;
constexpr uint32_t kStratifiedStream = 1;

void check_T(int64_t T) { check(T >= 1, "timesteps", "T must be at least 1, got {}", T); }

}  // namespace

std::vector<std::string> timestep_draws() { return {"uniform", "stratified"}; }

int64_t uniform_timestep(int64_t T, uint64_t seed, uint64_t sample) {
  check_T(T);
  RandomStream stream({seed, sample, Purpose::timestep, kUniformStream});
  return static_cast<int64_t>(stream.below(static_cast<uint64_t>(T)));
}

std::vector<int64_t> uniform_timesteps(int64_t T, uint64_t seed, uint64_t first, int64_t n) {
  std::vector<int64_t> out;
  for (int64_t i = 0; i < n; ++i) out.push_back(uniform_timestep(T, seed, first + static_cast<uint64_t>(i)));
  return out;
}

double stratified_uniform(uint64_t seed, uint64_t step, int64_t position, int64_t batch) {
  check(batch >= 1 && position >= 0 && position < batch, "stratified_uniform",
        "needs 0 <= position < batch, got {} of {}", position, batch);
  RandomStream stream({seed, step, Purpose::timestep, kStratifiedStream});
  const double u = stream.uniform() + static_cast<double>(position) / static_cast<double>(batch);
  return std::max(u - std::floor(u), 0x1p-54);  // the sum may be a whole number
}

int64_t stratified_timestep(int64_t T, uint64_t seed, uint64_t step, int64_t position, int64_t batch) {
  check_T(T);
  const double t = std::floor(static_cast<double>(T) * stratified_uniform(seed, step, position, batch));
  return std::min(static_cast<int64_t>(t), T - 1);  // T times a number just below 1 may round to T
}

std::vector<int64_t> stratified_timesteps(int64_t T, uint64_t seed, uint64_t step, int64_t batch) {
  std::vector<int64_t> out;
  for (int64_t i = 0; i < batch; ++i) out.push_back(stratified_timestep(T, seed, step, i, batch));
  return out;
}

}  // namespace langevin
