#include "langevin/diffusion/time_draws.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "langevin/core/check.h"
#include "langevin/core/names.h"
#include "langevin/core/rng.h"
#include "langevin/diffusion/timesteps.h"

namespace langevin {
namespace {

// Beside the streams of timesteps.cpp (0 and 1): each kind of draw has its own NoiseKey::step.
constexpr uint32_t kUniformTime = 2;

void check_density(const std::string& function, double mean, double stddev) {
  check(stddev > 0 && std::isfinite(mean) && std::isfinite(stddev), function,
        "needs a finite mean and stddev above 0, got {} and {}", mean, stddev);
}

}  // namespace

double time_uniform(uint64_t seed, uint64_t sample) {
  return RandomStream({seed, sample, Purpose::timestep, kUniformTime}).uniform();
}

// Newton's method on log P(Z < z), which is concave: from left of the root it climbs without overshooting.
// -sqrt(-2 log u) is left of it, since P(Z < -x) <= e^(-x^2 / 2) / (x sqrt(2 pi)).
double normal_quantile(double u) {
  check(u > 0 && u < 1, "normal_quantile", "u must be in (0, 1), got {}", u);
  if (u > 0.5) return -normal_quantile(1 - u);
  double z = -std::sqrt(-2 * std::log(u));
  for (int i = 0; i < 100; ++i) {
    const double below = 0.5 * std::erfc(-z / std::numbers::sqrt2);
    const double density = std::exp(-0.5 * z * z) / std::sqrt(2 * std::numbers::pi);
    const double step = (std::log(u) - std::log(below)) * below / density;
    z += step;
    if (std::abs(step) < 1e-14 * std::max(1.0, std::abs(z))) break;
  }
  return z;
}

double edm_sigma(double u, double mean, double stddev) {
  check_density("edm_sigma", mean, stddev);
  return std::exp(mean + stddev * normal_quantile(u));
}

double logit_normal_time(double u, double mean, double stddev) {
  check_density("logit_normal_time", mean, stddev);
  const double t = 1 / (1 + std::exp(-(mean + stddev * normal_quantile(u))));
  return std::clamp(t, std::numeric_limits<double>::min(), 1 - std::numeric_limits<double>::epsilon() / 2);
}

std::vector<std::string> flow_densities() { return {"logit_normal", "uniform"}; }

double time_at(const Target& target, const TimeDraws& draws, double u) {
  check(u > 0 && u < 1, "time_at", "u must be in (0, 1), got {}", u);
  const TargetConfig& c = target.config();
  if (target.schedule()) {
    const auto T = static_cast<double>(target.schedule()->T());
    return std::min(std::floor(T * u), T - 1);  // T times a number just below 1 may round to T
  }
  if (c.kind == "edm") {
    if (!draws.whole_range) return edm_sigma(u, draws.edm_mean, draws.edm_stddev);
    return c.sigma_min * std::pow(c.sigma_max / c.sigma_min, u);
  }
  if (draws.whole_range || draws.flow_times == "uniform") return u;
  check(draws.flow_times == "logit_normal", "time_at", "{}",
        unknown_name("density of times", draws.flow_times, flow_densities()));
  return logit_normal_time(u, draws.flow_mean, draws.flow_stddev);
}

DrawnTime draw_time(const Target& target, const TimeDraws& draws, uint64_t seed, const TrainingPlace& place) {
  if (target.schedule() && draws.spread == "uniform") {
    const int64_t T = target.schedule()->T();
    const auto t = static_cast<double>(uniform_timestep(T, seed, place.sample));
    return {t, t / static_cast<double>(T)};
  }
  check(draws.spread == "uniform" || draws.spread == "stratified", "draw_time", "{}",
        unknown_name("way to draw t", draws.spread, timestep_draws()));
  const double u = draws.spread == "uniform"
                       ? time_uniform(seed, place.sample)
                       : stratified_uniform(seed, place.step, place.position, place.batch);
  const double t = time_at(target, draws, u);
  return {t, target.schedule() ? t / static_cast<double>(target.schedule()->T()) : u};
}

}  // namespace langevin
