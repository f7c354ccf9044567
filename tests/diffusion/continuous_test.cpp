// EDM and flow matching as parametrisations; the mixture's denoiser; draws of a continuous time.
#include <gtest/gtest.h>

#include <cmath>

#include "langevin/diffusion/edm.h"
#include "langevin/diffusion/flow.h"
#include "langevin/diffusion/mixture.h"
#include "langevin/diffusion/time_draws.h"
#include "langevin/diffusion/timesteps.h"
#include "langevin/diffusion/training.h"

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

// What training asks of a network and what sampling makes of its answer are one thing: the network that
// answers what it should gives back x_0 and eps, and sees and is told the same in both.
TEST(Target, APerfectNetworkGivesBackTheData) {
  ScheduleConfig cosine;
  cosine.kind = "cosine";
  std::vector<std::pair<Target, std::vector<double>>> cases{
      {Target({.kind = "edm", .sigma_data = 0.7}), {0.01, 1.0, 50.0}},
      {Target({.kind = "flow"}), {1e-4, 0.2, 0.9, 1.0}}};
  for (const std::string& name : prediction_types())
    cases.emplace_back(Target({}, cosine, prediction_type(name)), std::vector<double>{3, 500, 900});
  const A x0 = noise(0), eps = noise(1);
  for (const auto& [target, times] : cases) {
    for (const double t : times) {
      const TrainingLevel level = training_level(target, t);
      const std::vector<TrainingLevel> levels(3, level);
      const TrainingPair<A> pair = training_pair<A>(levels, x0, eps);
      const Network<A> perfect = [&, &answer = pair.answer, &input = pair.input](
                                     const A& seen, const std::vector<double>& told, const Cond<A>&) {
        EXPECT_EQ(told, std::vector<double>(3, level.told));
        EXPECT_LT(furthest(seen, input), 1e-12);
        return answer;
      };
      const PathPoint p = target.path().at(t);
      EXPECT_EQ(target.input(t).told, level.told);
      EXPECT_NEAR(target.input(t).scale * p.alpha, level.input_x0, 1e-12);
      EXPECT_NEAR(target.input(t).scale * p.sigma, level.input_eps, 1e-12);
      EXPECT_NEAR(target.level_of_told(level.told).sigma[0], p.sigma, 1e-12 * p.sigma);
      const Prediction<A> got = make_denoiser(perfect, target)(lincomb(p.alpha, x0, p.sigma, eps), t, {});
      EXPECT_LT(furthest(got.x0, x0), 1e-10) << target.config().kind << " " << t;
      EXPECT_LT(furthest(got.eps, eps), 1e-10) << target.config().kind << " " << t;
    }
  }
}

// 2206.00364, appendix B.6 and eq. 8, read off what training does.
TEST(Target, EdmTrainsOnUnitVarianceWithItsWeight) {
  const double data = 0.4;
  const Target target({.kind = "edm", .sigma_data = data});
  for (const double sigma : {0.002, 0.3, 80.0}) {
    const TrainingLevel l = training_level(target, sigma);
    EXPECT_NEAR(std::pow(l.input_x0 * data, 2) + std::pow(l.input_eps, 2), 1, 1e-12);
    EXPECT_NEAR(std::pow(l.answer_x0 * data, 2) + std::pow(l.answer_eps, 2), 1, 1e-12);
    EXPECT_NEAR(l.weight, edm_loss_weight(sigma, data) * std::pow(edm_coefs(sigma, data).out, 2), 1e-12);
  }
}

TEST(Target, FlowLearnsTheVelocity) {
  const Target target({.kind = "flow", .time_scale = 10});
  const TrainingLevel l = training_level(target, 0.3);
  EXPECT_DOUBLE_EQ(l.told, 3);
  EXPECT_DOUBLE_EQ(l.input_x0, 0.7);
  EXPECT_DOUBLE_EQ(l.input_eps, 0.3);
  EXPECT_DOUBLE_EQ(l.answer_x0, -1);
  EXPECT_DOUBLE_EQ(l.answer_eps, 1);
}

TEST(Target, RefusesWhatCannotBe) {
  EXPECT_THROW(Target({.kind = "edn"}), Error);
  EXPECT_THROW(Target({.kind = "edm", .sigma_data = 0}), Error);
  EXPECT_THROW(Target({.kind = "edm", .sigma_min = 2, .sigma_max = 1}), Error);
  EXPECT_THROW(Target({.kind = "flow", .time_scale = -1}), Error);
  const Target flow({.kind = "flow"}), edm({.kind = "edm"}), ddpm{TargetConfig{}};
  EXPECT_THROW(training_level(flow, 1.5), Error);
  EXPECT_THROW(training_level(flow, std::nan("")), Error);
  EXPECT_THROW(training_level(edm, 0), Error);
  EXPECT_THROW(training_level(ddpm, 0.5), Error);
  EXPECT_THROW(training_level(edm, 1, {.kind = "min_snr_gamma"}), Error);
}

TEST(Target, JsonRoundTrip) {
  for (const TargetConfig& c :
       {TargetConfig{.kind = "edm", .sigma_data = 0.25, .sigma_min = 0.01, .sigma_max = 9},
        TargetConfig{.kind = "flow", .time_scale = 3}, TargetConfig{}}) {
    EXPECT_EQ(target_from_json(to_json(c), "test"), c);
  }
  EXPECT_THROW(target_from_json({{"kind", "flow"}, {"sigma_data", 1}}, "test"), Error);  // not one of flow
  EXPECT_THROW(target_from_json({{"kind", "edm"}, {"sigma_data", "x"}}, "test"), Error);
  EXPECT_THROW(target_from_json({{"kind", "no"}}, "test"), Error);
  EXPECT_THROW(target_from_json("flow", "test"), Error);
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

TEST(TimeDraws, NormalQuantileInvertsTheDistribution) {
  for (const double u : {1e-300, 1e-20, 0.001, 0.3, 0.5, 0.9, 1 - 1e-15}) {
    const double below = 0.5 * std::erfc(-normal_quantile(u) / std::sqrt(2.0));
    EXPECT_NEAR(below / u, 1, 1e-11) << u;
  }
  EXPECT_NEAR(normal_quantile(0.975), 1.959963984540054, 1e-14);
  EXPECT_THROW(normal_quantile(0), Error);
  EXPECT_THROW(normal_quantile(1), Error);
}

/// Log-normal sigma, logit-normal t and uniform t, each sample alone or stratified.
TEST(TimeDraws, HaveTheirDistributions) {
  const int64_t n = 20000;
  const Target edm({.kind = "edm"}), flow({.kind = "flow"});
  for (const std::string spread : {"uniform", "stratified"}) {
    TimeDraws draws;
    draws.spread = spread;
    draws.flow_mean = 0.5;
    TimeDraws even = draws;
    even.flow_times = "uniform";
    double log_mean = 0, log_square = 0, below = 0, uniform = 0, square = 0;
    for (int64_t i = 0; i < n; ++i) {
      const TrainingPlace place{static_cast<uint64_t>(i), static_cast<uint64_t>(i / 50), i % 50, 50};
      const DrawnTime sigma = draw_time(edm, draws, 4, place);
      const double u = (std::log(sigma.t) + 1.2) / 1.2;
      log_mean += u / n, log_square += u * u / n;
      EXPECT_NEAR(sigma.share, 0.5 * std::erfc(-u / std::sqrt(2.0)), 1e-9);
      const double t = draw_time(flow, draws, 4, place).t;
      ASSERT_TRUE(t > 0 && t < 1);
      below += t < 0.5 ? 1.0 / n : 0;
      const double w = draw_time(flow, even, 4, place).t;
      uniform += w / n, square += w * w / n;
    }
    EXPECT_NEAR(log_mean, 0, 4.5 / std::sqrt(n));
    EXPECT_NEAR(log_square, 1, 4.5 * std::sqrt(2.0 / n));
    EXPECT_NEAR(below, 0.5 * std::erfc(0.5 / std::sqrt(2.0)), 4.5 * 0.5 / std::sqrt(n));
    EXPECT_NEAR(uniform, 0.5, 4.5 * std::sqrt(1.0 / 12 / n));
    EXPECT_NEAR(square, 1.0 / 3, 4.5 * std::sqrt(4.0 / 45 / n));
  }
  const auto sigma = [&](uint64_t seed, uint64_t sample) {
    return draw_time(edm, TimeDraws{}, seed, {sample}).t;
  };
  EXPECT_EQ(sigma(4, 7), sigma(4, 7));
  EXPECT_NE(sigma(4, 7), sigma(4, 8));
  EXPECT_NE(sigma(4, 7), sigma(5, 7));
  EXPECT_THROW(edm_sigma(0.5, 0, 0), Error);
  EXPECT_THROW(logit_normal_time(0.5, std::nan(""), 1), Error);
  TimeDraws wrong;
  wrong.flow_times = "normal";
  EXPECT_THROW(time_at(flow, wrong, 0.5), Error);
}

// Of ddpm they are the timesteps of timesteps.h.
TEST(TimeDraws, OfAScheduleAreItsTimesteps) {
  const Target target{TargetConfig{}};
  TimeDraws draws;
  for (uint64_t i = 0; i < 50; ++i) {
    const auto t = static_cast<double>(uniform_timestep(1000, 3, i));
    EXPECT_EQ(draw_time(target, draws, 3, {i}).t, t);
    EXPECT_EQ(draw_time(target, draws, 3, {i}).share, t / 1000);
  }
  draws.spread = "stratified";
  for (int64_t i = 0; i < 32; ++i) {
    EXPECT_EQ(draw_time(target, draws, 3, {0, 9, i, 32}).t,
              static_cast<double>(stratified_timestep(1000, 3, 9, i, 32)));
  }
}

TEST(TimeDraws, TheWholeRangeReachesBothEnds) {
  TimeDraws draws;
  draws.whole_range = true;
  const Target edm({.kind = "edm"}), flow({.kind = "flow"});
  EXPECT_NEAR(time_at(edm, draws, 1e-9), 0.002, 1e-9);
  EXPECT_NEAR(time_at(edm, draws, 1 - 1e-9), 80, 1e-5);
  EXPECT_NEAR(std::log(time_at(edm, draws, 0.5)), 0.5 * (std::log(0.002) + std::log(80)), 1e-12);
  EXPECT_EQ(time_at(flow, draws, 0.25), 0.25);
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
