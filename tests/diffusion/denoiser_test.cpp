#include "langevin/diffusion/denoiser.h"

#include <gtest/gtest.h>

#include <cmath>

namespace langevin {
namespace {

using Net = Network<HostArrayD>;

// E[x_0 | x_t] by numeric integration over x_0.
double posterior_mean(double x_t, double alpha, double sigma, double mean, double stddev) {
  constexpr int kPoints = 20001;
  double mass = 0, first = 0;
  for (int i = 0; i < kPoints; ++i) {
    const double x0 = mean + 12 * stddev * (2.0 * i / (kPoints - 1) - 1);
    const double r = (x_t - alpha * x0) / sigma, p = (x0 - mean) / stddev;
    const double w = std::exp(-0.5 * (r * r + p * p));
    mass += w;
    first += w * x0;
  }
  return first / mass;
}

TEST(GaussianDenoiser, IsThePosteriorMean) {
  ScheduleConfig zero;
  zero.zero_terminal_snr = true;
  const Schedule schedule(zero);
  const auto one = gaussian_denoiser<HostArrayD>(schedule, 0.3, 0.7);
  const auto two = diagonal_gaussian_denoiser<double>(schedule, {0.3, -1}, {0.7, 0.2});
  for (const double t : {50.0, 400.0, 900.0, 999.0}) {
    const double alpha = schedule.level(t).alpha[0], sigma = schedule.level(t).sigma[0];
    const HostArrayD x_t({1, 2}, std::vector<double>{0.9, -0.4});
    const auto p = one(x_t, t, {}), q = two(x_t, t, {});
    EXPECT_NEAR(p.x0[0], posterior_mean(0.9, alpha, sigma, 0.3, 0.7), 1e-9);
    EXPECT_NEAR(p.x0[1], posterior_mean(-0.4, alpha, sigma, 0.3, 0.7), 1e-9);
    EXPECT_NEAR(q.x0[0], p.x0[0], 1e-12);
    EXPECT_NEAR(q.x0[1], posterior_mean(-0.4, alpha, sigma, -1, 0.2), 1e-9);
    EXPECT_NEAR(alpha * q.x0[1] + sigma * q.eps[1], -0.4, 1e-12);
  }
  EXPECT_THROW(two(HostArrayD({1, 3}), 1, {}), Error);
}

TEST(MakeDenoiser, HandsTheNetworkItsTimesAndReadsItsOutput) {
  const Schedule schedule;
  const Net network = [](const HostArrayD& x, const std::vector<double>& t, const Cond<HostArrayD>& cond) {
    EXPECT_EQ(t, std::vector<double>(2, 10.0));
    EXPECT_EQ(cond.class_labels, (std::vector<int64_t>{4, 5}));
    return lincomb(0.5, x);
  };
  const HostArrayD x_t({2, 3}, 1.0);
  const auto p = make_denoiser(network, schedule, PredictionType::epsilon)(x_t, 10, {{4, 5}});
  EXPECT_EQ(p.eps[0], 0.5);
  EXPECT_NEAR(p.x0[0], (1 - 0.5 * schedule.sigma(10)) / schedule.alpha(10), 1e-14);
}

TEST(MakeDenoiser, RefusesWhatDoesNotFit) {
  const Schedule schedule;
  const Net wrong = [](const HostArrayD&, const std::vector<double>&, const Cond<HostArrayD>&) {
    return HostArrayD({2, 4});
  };
  const auto denoiser = make_denoiser(wrong, schedule, PredictionType::epsilon);
  EXPECT_THROW(denoiser(HostArrayD({2, 3}), 10, {}), Error);
  EXPECT_THROW(denoiser(HostArrayD({2, 4}), 10, {{1}}), Error);
  EXPECT_THROW(denoiser(HostArrayD({2, 4}), 1000, {}), Error);
  EXPECT_NO_THROW(denoiser(HostArrayD({2, 4}), 10, {}));
  EXPECT_THROW(make_denoiser(Net(), schedule, PredictionType::epsilon), Error);
}

}  // namespace
}  // namespace langevin
