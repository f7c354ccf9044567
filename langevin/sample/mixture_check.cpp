#include "langevin/sample/mixture_check.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace langevin {
namespace {

constexpr double kDeviations = 4.5;  // one false alarm in 100,000 numbers
constexpr double kWeightBias = 0.006, kMeanBias = 0.04, kCovarianceBias = 0.06;

size_t nearest_component(const Mixture& mixture, std::span<const double> x) {
  size_t best = 0;
  double least = std::numeric_limits<double>::infinity();
  for (size_t k = 0; k < mixture.means.size(); ++k) {
    const double distance = std::hypot(x[0] - mixture.means[k][0], x[1] - mixture.means[k][1]);
    if (!(distance >= least)) {
      least = distance;
      best = k;
    }
  }
  return best;
}

/// Sums of one component's samples, centred on its true mean, in its standard deviations.
struct Moments {
  double count = 0;
  std::array<double, 2> sum{};
  std::array<double, 3> square{};  // xx, yy, xy
  void add(double x, double y) {
    ++count;
    sum[0] += x, sum[1] += y;
    square[0] += x * x, square[1] += y * y, square[2] += x * y;
  }
};

void judge(const Moments& m, double weight, double n, MixtureResult& out) {
  const auto raise = [](double& error, double& limit, double value, double allowed) {
    // Of all components the one that is furthest out, counted in what it may be.
    if (limit == 0 || !(value / allowed <= error / limit)) {
      error = value;
      limit = allowed;
    }
  };
  raise(out.weight_error, out.weight_limit, std::abs(m.count / n - weight),
        kDeviations * std::sqrt(weight * (1 - weight) / n) + kWeightBias);
  const double count = std::max(m.count, 1.0), root = std::sqrt(weight * n);
  const double mean_x = m.sum[0] / count, mean_y = m.sum[1] / count;
  raise(out.mean_error, out.mean_limit, std::max(std::abs(mean_x), std::abs(mean_y)),
        kDeviations / root + kMeanBias);
  const double xx = m.square[0] / count - mean_x * mean_x, yy = m.square[1] / count - mean_y * mean_y;
  const double xy = m.square[2] / count - mean_x * mean_y;
  raise(out.covariance_error, out.covariance_limit,
        std::max({std::abs(xx - 1), std::abs(yy - 1), std::abs(xy)}),
        kDeviations * std::numbers::sqrt2 / root + kCovarianceBias);
}

/// x0 is where the flow from x_t ends: 24 steps of DPM-Solver++ from there to t = 0, then its estimate.
Denoiser<HostArrayD> consistency_function(const Schedule& schedule, const Denoiser<HostArrayD>& denoiser) {
  const NoisePath path = discrete_path(schedule);
  return [path, denoiser](const HostArrayD& x_t, double t, const Cond<HostArrayD>&) {
    const double hi = path.at(t).rho(), lo = path.at(0).rho();
    PointGrid grid;
    for (double rho : exponential_rhos(std::min(lo, hi), hi, 24))
      grid.push_back(path.at_lambda(-std::log(rho)));
    grid.front() = path.at(t);
    grid.push_back(path.at(-1));
    HostArrayD x0 = dpm_solver(denoiser, x_t, grid);
    HostArrayD eps = lincomb(1 / grid[0].sigma, x_t, -grid[0].alpha / grid[0].sigma, x0);
    return Prediction<HostArrayD>{std::move(x0), std::move(eps)};
  };
}

}  // namespace

Mixture eight_gaussians() {
  Mixture out;
  for (int k = 0; k < 8; ++k) {
    const double angle = k * std::numbers::pi / 4;
    out.means.push_back({std::cos(angle), std::sin(angle)});
    out.weights.push_back((k % 3 + 2) / 23.0);
    out.stddevs.push_back(0.08);
  }
  return out;
}

std::vector<MixtureCase> mixture_cases() {
  std::vector<MixtureCase> out;
  const auto add = [&](const std::string& label, const std::string& name, int64_t steps,
                       const std::string& spacing) -> SamplerConfig& {
    SamplerConfig config;
    config.name = name;
    config.steps = steps;
    config.spacing = spacing;
    out.push_back({label, config});
    return out.back().config;
  };
  add("ddpm", "ddpm", 1000, "trailing");
  add("ddim eta 1", "ddim", 500, "trailing").eta = 1;
  add("ddim eta 0.5", "ddim", 250, "trailing").eta = 0.5;
  add("euler_ancestral", "euler_ancestral", 120, "karras");
  add("euler churn", "euler", 150, "karras").s_churn = 20;
  add("heun churn", "heun", 40, "karras").s_churn = 10;
  add("kdpm2_ancestral", "kdpm2_ancestral", 60, "karras");
  add("sde_dpmsolver++ 1", "sde_dpmsolver++", 150, "karras").order = 1;
  add("sde_dpmsolver++ 2", "sde_dpmsolver++", 60, "karras").order = 2;
  add("sde_dpmsolver++ 3", "sde_dpmsolver++", 60, "karras").order = 3;
  add("lcm", "lcm", 4, "trailing");
  return out;
}

MixtureResult mixture_statistics(const std::string& name, const HostArrayD& samples) {
  const Mixture mixture = eight_gaussians();
  check(samples.batch() > 0 && samples.sample_size() == 2, "mixture_statistics",
        "needs (n, 2) samples, got {}", to_string(samples.shape()));
  std::vector<Moments> moments(mixture.weights.size());
  for (int64_t i = 0; i < samples.batch(); ++i) {
    const auto x = samples.sample(i);
    const size_t k = nearest_component(mixture, x);
    moments[k].add((x[0] - mixture.means[k][0]) / mixture.stddevs[k],
                   (x[1] - mixture.means[k][1]) / mixture.stddevs[k]);
  }
  MixtureResult out{name, samples.batch(), 0, 0, 0, 0, 0, 0};
  double all = 0;
  for (double weight : mixture.weights) all += weight;
  for (size_t k = 0; k < moments.size(); ++k) {
    judge(moments[k], mixture.weights[k] / all, static_cast<double>(samples.batch()), out);
  }
  return out;
}

MixtureResult check_mixture_sampler(const MixtureCase& mixture_case, int64_t n, uint64_t seed) {
  const Schedule schedule;
  Denoiser<HostArrayD> denoiser = mixture_denoiser<double>(discrete_path(schedule), eight_gaussians());
  if (mixture_case.config.name == "lcm") denoiser = consistency_function(schedule, denoiser);
  SampleContext<HostArrayD> context;
  context.seed = seed;
  const HostArrayD x_T = initial_noise(HostArrayD({n, 2}), seed, 0);
  return mixture_statistics(mixture_case.name,
                            run_sampler(mixture_case.config, denoiser, schedule, x_T, context));
}

}  // namespace langevin
