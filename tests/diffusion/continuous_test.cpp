// EDM and flow matching as parametrisations; the mixture's denoiser; draws of a continuous time.
#include <gtest/gtest.h>

#include <cmath>

#include "langevin/diffusion/edm.h"
#include "langevin/diffusion/flow.h"
#include "langevin/diffusion/mixture.h"
#include "langevin/diffusion/time_draws.h"

namespace langevin {
namespace {

using A = HostArrayD;

A noise(uint32_t step) { return noise_like(A({3, 4}), NoiseKey{5, 0, Purpose::test, step}); }

double furthest(const A& a, const A& b) {
  double out = 0;
  for (int64_t i = 0; i < a.size(); ++i) out = std::max(out, std::abs(a[i] - b[i]));
  return out;
}

// 2206.00364, appendix B.6: with these coefficients inputs and targets have unit variance, and c_out is as
// small as it can be.
TEST(Edm, CoefficientsKeepUnitVariance) {
  for (const double sigma : {0.002, 0.1, 0.5, 3.0, 80.0}) {
    for (const double data : {0.5, 1.0}) {
      const EdmCoefs c = edm_coefs(sigma, data);
      const double s2 = sigma * sigma, d2 = data * data;
      EXPECT_NEAR(c.in * c.in * (s2 + d2), 1, 1e-12);
      // Var[(x_0 - c_skip (x_0 + n)) / c_out] = 1
      EXPECT_NEAR(((1 - c.skip) * (1 - c.skip) * d2 + c.skip * c.skip * s2) / (c.out * c.out), 1, 1e-9);
      EXPECT_NEAR(edm_loss_weight(sigma, data), (s2 + d2) / (s2 * d2), 1e-9 * edm_loss_weight(sigma, data));
      EXPECT_NEAR(edm_loss_weight(sigma, data) * c.out * c.out, 1, 1e-12);
      EXPECT_EQ(c.noise, std::log(sigma) / 4);
    }
  }
  EXPECT_THROW(edm_coefs(0), Error);
  EXPECT_THROW(edm_coefs(1, -1), Error);
}

TEST(Edm, APerfectNetworkGivesBackTheData) {
  const A x0 = noise(0), eps = noise(1);
  for (const double sigma : {0.01, 1.0, 50.0}) {
    const A x = lincomb(1.0, x0, sigma, eps);
    const Network<A> perfect = [&](const A& in, const std::vector<double>& told, const Cond<A>&) {
      EXPECT_EQ(told, std::vector<double>(3, std::log(sigma) / 4));
      EXPECT_NEAR(in[0], x[0] / std::hypot(sigma, 0.5), 1e-12);
      return edm_target(x0, x, sigma);
    };
    const Prediction<A> p = edm_denoiser(perfect)(x, sigma, {});
    EXPECT_LT(furthest(p.x0, x0), 1e-12) << sigma;
    EXPECT_LT(furthest(p.eps, eps), 1e-11) << sigma;
  }
}

TEST(Flow, APerfectNetworkGivesBackTheData) {
  const A x0 = noise(0), eps = noise(1);
  for (const double t : {0.0, 0.2, 0.9, 1.0}) {
    const TrainingPair<A> pair = flow_pair(x0, t, eps);
    EXPECT_NEAR(pair.target[3], eps[3] - x0[3], 1e-15);
    const Network<A> perfect = [&](const A&, const std::vector<double>& told, const Cond<A>&) {
      EXPECT_EQ(told[0], 1000 * t);
      return pair.target;
    };
    const Prediction<A> p = flow_denoiser(perfect, 1000)(pair.x_t, t, {});
    EXPECT_LT(furthest(p.x0, x0), 1e-15) << t;
    EXPECT_LT(furthest(p.eps, eps), 1e-15) << t;
  }
  const TrainingPair<A> mixed = flow_pair(x0, std::vector<double>{0, 0.5, 1}, eps);
  EXPECT_EQ(mixed.x_t[0], x0[0]);
  EXPECT_EQ(mixed.x_t.sample(2)[1], eps.sample(2)[1]);
  EXPECT_THROW(flow_pair(x0, 1.5, eps), Error);
  EXPECT_THROW(flow_pair(x0, std::nan(""), eps), Error);
}

TEST(Flow, LossWeightIsADensity) {
  for (const double mean : {0.0, 0.7}) {
    double sum = 0, share = 0;
    for (int i = 0; i < 20000; ++i) {
      const double t = (i + 0.5) / 20000;
      sum += flow_loss_weight(t, mean, 1) / 20000;
      if (t < 0.5) share += flow_loss_weight(t, mean, 1) / 20000;
    }
    EXPECT_NEAR(sum, 1, 1e-6);
    EXPECT_NEAR(share, 0.5 * std::erfc(mean / std::sqrt(2.0)), 1e-6);  // P(u < 0), u ~ N(mean, 1)
  }
}

TEST(TimeDraws, HaveTheirDistributions) {
  const int64_t n = 20000;
  double log_mean = 0, log_square = 0, below = 0, uniform = 0, square = 0;
  for (int64_t i = 0; i < n; ++i) {
    const auto at = static_cast<uint64_t>(i);
    const double u = (std::log(edm_sigma(4, at)) + 1.2) / 1.2;
    log_mean += u / n, log_square += u * u / n;
    const double t = logit_normal_time(4, at, 0.5, 1);
    ASSERT_TRUE(t > 0 && t < 1);
    below += t < 0.5 ? 1.0 / n : 0;
    const double w = time_uniform(4, at);
    uniform += w / n, square += w * w / n;
  }
  EXPECT_NEAR(log_mean, 0, 4.5 / std::sqrt(n));
  EXPECT_NEAR(log_square, 1, 4.5 * std::sqrt(2.0 / n));
  EXPECT_NEAR(below, 0.5 * std::erfc(0.5 / std::sqrt(2.0)), 4.5 * 0.5 / std::sqrt(n));
  EXPECT_NEAR(uniform, 0.5, 4.5 * std::sqrt(1.0 / 12 / n));
  EXPECT_NEAR(square, 1.0 / 3, 4.5 * std::sqrt(4.0 / 45 / n));
  EXPECT_EQ(edm_sigma(4, 7), edm_sigma(4, 7));
  EXPECT_NE(edm_sigma(4, 7), edm_sigma(4, 8));
  EXPECT_NE(edm_sigma(4, 7), edm_sigma(5, 7));
  EXPECT_THROW(edm_sigma(1, 1, 0, 0), Error);
  EXPECT_THROW(logit_normal_time(1, 1, std::nan(""), 1), Error);
}

TEST(MixtureDenoiser, OfOneComponentIsTheGaussian) {
  const Schedule schedule;
  const A x = noise(2);
  const auto one =
      mixture_denoiser<double>(discrete_path(schedule), {{3.0}, {std::vector<double>(4, 0.4)}, {0.7}});
  const auto gaussian = gaussian_denoiser<A>(schedule, 0.4, 0.7);
  for (const double t : {0.0, 10.5, 500.0, 999.0}) {
    const auto p = one(x, t, {}), q = gaussian(x, t, {});
    EXPECT_LT(furthest(p.x0, q.x0), 1e-10) << t;
    EXPECT_LT(furthest(p.eps, q.eps), 1e-9) << t;
  }
}

// Tweedie: E[eps | x_t] = -sigma grad log p(x_t), the gradient by differences.
TEST(MixtureDenoiser, EpsIsTheScore) {
  const Mixture mixture{{1, 2, 0.5}, {{0.5, 1}, {-1, 0.3}, {0, -0.8}}, {0.3, 0.1, 0.5}};
  const NoisePath path = vp_path();
  const auto denoiser = mixture_denoiser<double>(path, mixture);
  const auto log_p = [&](double x, double y, const PathPoint& p) {
    double sum = 0;
    for (size_t k = 0; k < 3; ++k) {
      const double v = p.alpha * p.alpha * mixture.stddevs[k] * mixture.stddevs[k] + p.sigma * p.sigma;
      const double dx = x - p.alpha * mixture.means[k][0], dy = y - p.alpha * mixture.means[k][1];
      sum += mixture.weights[k] / v * std::exp(-0.5 * (dx * dx + dy * dy) / v);
    }
    return std::log(sum);
  };
  for (const double t : {0.05, 0.3, 0.8}) {
    const PathPoint p = path.at(t);
    const double h = 1e-5, x = 0.3, y = -0.2;
    const auto got = denoiser(A({1, 2}, {x, y}), t, {});
    EXPECT_NEAR(got.eps[0], -p.sigma * (log_p(x + h, y, p) - log_p(x - h, y, p)) / (2 * h), 1e-6) << t;
    EXPECT_NEAR(got.eps[1], -p.sigma * (log_p(x, y + h, p) - log_p(x, y - h, p)) / (2 * h), 1e-6) << t;
    EXPECT_NEAR(p.alpha * got.x0[0] + p.sigma * got.eps[0], x, 1e-12);
  }
  EXPECT_THROW(mixture_denoiser<double>(path, {{1}, {}, {1}}), Error);
  EXPECT_THROW(mixture_denoiser<double>(path, {{-1}, {{0}}, {1}}), Error);
  EXPECT_THROW(denoiser(A({1, 3}), 0.5, {}), Error);
}

}  // namespace
}  // namespace langevin
