// The probability flow of Gaussian data is known, and so is the density that it gives.
#include "langevin/sample/likelihood_ode.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "langevin/diffusion/gaussian.h"

namespace langevin {
namespace {

/// Of data N(mean, s^2) in every element: v = cos a eps - sin a x_0 of the optimal denoiser. With z = cos a
/// x_0 + sin a eps, E[x_0|z] = mean + cos a s^2 / spread (z - cos a mean), spread = cos^2 a s^2 + sin^2 a.
AngleFlow gaussian_flow(double mean, double s, int64_t* calls = nullptr) {
  return [=](const HostArrayF& z, const std::vector<double>& angle, const std::vector<int64_t>&,
             const HostArrayF& probe) {
    FlowStep out{z, {}};
    for (int64_t i = 0; i < z.batch(); ++i) {
      const double c = std::cos(angle[static_cast<size_t>(i)]), sn = std::sin(angle[static_cast<size_t>(i)]);
      const double gain = c * s * s / (c * c * s * s + sn * sn);
      // v = c (z - c x0) / sn - sn x0 = (c z - x0) / sn
      const double slope = (c - gain) / sn;
      double trace = 0;
      auto row = out.velocity.sample(i);
      const auto u = probe.sample(i);
      for (size_t j = 0; j < row.size(); ++j) {
        row[j] = static_cast<float>(slope * row[j] - (mean - gain * c * mean) / sn);
        trace += slope * u[j] * u[j];
      }
      out.divergence.push_back(trace);
    }
    if (calls != nullptr) *calls += z.batch();
    return out;
  };
}

constexpr double kLo = 0.01, kHi = 1.5;

TEST(LikelihoodOde, OfGaussianDataIsItsDensity) {
  for (const auto& [mean, s] : {std::pair{0.0, 0.3}, {0.5, 1.0}, {-0.2, 0.05}}) {
    HostArrayF z({3, 1, 8, 8});
    for (int64_t i = 0; i < 3; ++i) {
      fill_normal(z.sample(i), {5, static_cast<uint64_t>(i), Purpose::test, 0});
      // z at kLo: its marginal is N(cos mean, cos^2 s^2 + sin^2).
      const double spread = std::hypot(std::cos(kLo) * s, std::sin(kLo));
      for (float& value : z.sample(i)) value = static_cast<float>(std::cos(kLo) * mean + spread * value);
    }
    const HostArrayF probe = sign_probe(z.shape(), {1, 0, Purpose::test, 1});
    const OdeLikelihood found =
        ode_log_likelihood(gaussian_flow(mean, s), z, probe, kLo, kHi, {.tolerance = 1e-5});
    for (int64_t i = 0; i < 3; ++i) {
      // The walk ends on N(0, I), the true marginal there is a little off it.
      const double end_mean = std::cos(kHi) * mean, end = std::hypot(std::cos(kHi) * s, std::sin(kHi));
      const double start = std::hypot(std::cos(kLo) * s, std::sin(kLo));
      double truth = 0, exact = 0;
      for (const float value : z.sample(i)) {
        const double standard = (value - std::cos(kLo) * mean) / start;  // kept along the flow
        truth += log_density_gaussian(value, std::cos(kLo) * mean, 2 * std::log(start));
        exact += log_density_gaussian(end_mean + end * standard, 0, 0) + std::log(end / start);
      }
      EXPECT_NEAR(found.log_density[static_cast<size_t>(i)], exact, 1e-3 * std::abs(exact)) << s;
      EXPECT_NEAR(found.log_density[static_cast<size_t>(i)], truth, 0.005 * std::abs(truth) + 0.6) << s;
    }
  }
}

TEST(LikelihoodOde, ASampleIsTheSameInAnyBatch) {
  HostArrayF z({4, 2, 3, 3});
  fill_normal(z.data(), {6, 0, Purpose::test, 0});
  const HostArrayF probe = sign_probe(z.shape(), {1, 10, Purpose::test, 1});
  const auto all = ode_log_likelihood(gaussian_flow(0.1, 0.4), z, probe, kLo, kHi);
  for (int64_t i = 0; i < 4; ++i) {
    const HostArrayF own = sign_probe({1, 2, 3, 3}, {1, 10 + static_cast<uint64_t>(i), Purpose::test, 1});
    EXPECT_TRUE(std::ranges::equal(own.data(), probe.sample(i)));
    const auto one = ode_log_likelihood(gaussian_flow(0.1, 0.4), rows(z, i, 1), own, kLo, kHi);
    EXPECT_EQ(one.log_density[0], all.log_density[static_cast<size_t>(i)]);
  }
}

// Order five: a hundredth of the tolerance costs about 100^(1/5) = 2.5 times the calls, and gains accuracy.
TEST(LikelihoodOde, StepsFollowTheTolerance) {
  HostArrayF z({1, 1, 4, 4});
  fill_normal(z.data(), {7, 0, Purpose::test, 0});
  const HostArrayF probe = sign_probe(z.shape(), {1, 0, Purpose::test, 1});
  const auto run = [&](double tolerance) {
    return ode_log_likelihood(gaussian_flow(0, 0.2), z, probe, kLo, kHi, {.tolerance = tolerance});
  };
  const auto best = run(1e-7), coarse = run(1e-2), fine = run(1e-4);
  EXPECT_LT(std::abs(fine.log_density[0] - best.log_density[0]), 0.05);
  EXPECT_LT(std::abs(fine.log_density[0] - best.log_density[0]),
            std::abs(coarse.log_density[0] - best.log_density[0]) + 1e-3);
  EXPECT_GT(fine.calls, coarse.calls);
  EXPECT_LT(fine.calls, 200);
  int64_t calls = 0;
  const auto counted = ode_log_likelihood(gaussian_flow(0, 0.2, &calls), z, probe, kLo, kHi);
  EXPECT_EQ(calls, counted.calls);
}

TEST(LikelihoodOde, RefusesAndStops) {
  HostArrayF z({1, 4});
  const HostArrayF probe = sign_probe(z.shape(), {1, 0, Purpose::test, 1});
  const auto flow = gaussian_flow(0, 1);
  EXPECT_THROW(ode_log_likelihood(flow, z, probe, 0, 1), Error);
  EXPECT_THROW(ode_log_likelihood(flow, z, probe, 1, 0.5), Error);
  EXPECT_THROW(ode_log_likelihood(flow, z, probe, 0.1, 1, {.tolerance = 0}), Error);
  EXPECT_THROW(ode_log_likelihood(flow, z, HostArrayF({1, 3}), 0.1, 1), Error);
  EXPECT_THROW(ode_log_likelihood(flow, z, probe, kLo, 1, {.tolerance = 1e-8, .max_steps = 2}), Error);
  EXPECT_TRUE(ode_log_likelihood(flow, z, probe, 0.1, 1, {.stopped = [] { return true; }}).stopped);
}

TEST(Angle, FindsItsTime) {
  for (const NoisePath& path : {edm_path(), flow_path(), discrete_path(Schedule())}) {
    for (const double share : {0.1, 0.5, 0.9}) {
      const double t = path.t_min + share * (path.t_max - path.t_min);
      EXPECT_NEAR(time_at_angle(path, angle_of(path.at(t))), t, 1e-6 * (1 + t)) << path.name;
    }
  }
}

}  // namespace
}  // namespace langevin
