#include "langevin/diffusion/loss.h"

#include <gtest/gtest.h>

#include <cmath>

namespace langevin {
namespace {

constexpr auto kEps = PredictionType::epsilon;
constexpr auto kX0 = PredictionType::sample;
constexpr auto kV = PredictionType::v_prediction;

LossWeightConfig config(const std::string& kind) {
  LossWeightConfig out;
  out.kind = kind;
  return out;
}

TEST(LossWeight, MinSnrByHand) {
  const auto min_snr = config("min_snr_gamma");  // gamma = 5
  EXPECT_DOUBLE_EQ(loss_weight(20, kEps, min_snr), 0.25);
  EXPECT_DOUBLE_EQ(loss_weight(20, kX0, min_snr), 5);
  EXPECT_DOUBLE_EQ(loss_weight(20, kV, min_snr), 5.0 / 21);
  EXPECT_DOUBLE_EQ(loss_weight(1, kEps, min_snr), 1);
  EXPECT_DOUBLE_EQ(loss_weight(1, kX0, min_snr), 1);
  EXPECT_DOUBLE_EQ(loss_weight(1, kV, min_snr), 0.5);
  EXPECT_DOUBLE_EQ(loss_weight(0, kEps, min_snr), 1);
  EXPECT_DOUBLE_EQ(loss_weight(0, kX0, min_snr), 0);
  EXPECT_DOUBLE_EQ(loss_weight(0, kV, min_snr), 0);
}

TEST(LossWeight, P2ByHand) {
  auto p2 = config("p2");  // k = 1, gamma = 1
  EXPECT_DOUBLE_EQ(loss_weight(3, kEps, p2), 0.25);
  EXPECT_DOUBLE_EQ(loss_weight(3, kX0, p2), 0.75);
  EXPECT_DOUBLE_EQ(loss_weight(3, kV, p2), 3.0 / 16);
  p2.p2_gamma = 0.5;
  EXPECT_DOUBLE_EQ(loss_weight(3, kEps, p2), 0.5);
  p2.p2_k = 6;
  EXPECT_DOUBLE_EQ(loss_weight(3, kEps, p2), 1.0 / 3);
  p2.p2_gamma = 0;
  EXPECT_DOUBLE_EQ(loss_weight(3, kEps, p2), 1);
}

TEST(LossWeight, NoneIsOneInEverySpace) {
  for (const auto type : {kEps, kX0, kV}) EXPECT_EQ(loss_weight(3, type, config("none")), 1);
}

// One error of the denoiser, seen as an error of eps, x_0 or v, must cost the same under one weighting.
TEST(LossWeight, OneObjectiveInEverySpace) {
  const Schedule schedule;
  const HostArrayD x_t = noise_like(HostArrayD({1, 50}), NoiseKey{1, 0, Purpose::test, 0});
  const HostArrayD truth = noise_like(x_t, NoiseKey{2, 0, Purpose::test, 0});
  const HostArrayD guess = noise_like(x_t, NoiseKey{3, 0, Purpose::test, 0});
  for (const char* kind : {"min_snr_gamma", "p2"}) {
    for (const int64_t t : {0, 10, 300, 999}) {
      const Level level = schedule.level(static_cast<double>(t));
      const HostArrayD eps_a = eps_from_x0(x_t, truth, level), eps_b = eps_from_x0(x_t, guess, level);
      std::vector<double> costs;
      for (const auto type : {kEps, kX0, kV}) {
        costs.push_back(simple_loss(prediction_target(guess, eps_b, level, type),
                                    prediction_target(truth, eps_a, level, type),
                                    loss_weight(schedule.snr(t), type, config(kind))));
      }
      EXPECT_NEAR(costs[1] / costs[0], 1, 1e-9) << kind << t;
      EXPECT_NEAR(costs[2] / costs[0], 1, 1e-9) << kind << t;
    }
  }
}

TEST(LossWeight, TablesCoverTheScheduleAndItsZeroEnd) {
  ScheduleConfig zero;
  zero.zero_terminal_snr = true;
  const Schedule schedule(zero);
  for (const std::string& kind : loss_weight_kinds()) {
    for (const auto type : {kEps, kX0, kV}) {
      const auto weights = loss_weights(schedule, type, config(kind));
      ASSERT_EQ(weights.size(), 1000u);
      for (double w : weights) ASSERT_TRUE(std::isfinite(w) && w >= 0) << kind;
      EXPECT_EQ(weights[999], loss_weight(0, type, config(kind)));
    }
  }
}

TEST(LossWeight, RefusesBadParameters) {
  auto bad = config("min_snr_gamma");
  bad.min_snr_gamma = 0;
  EXPECT_THROW(loss_weight(1, kEps, bad), Error);
  bad = config("p2");
  bad.p2_k = 0;
  EXPECT_THROW(loss_weight(1, kEps, bad), Error);
  EXPECT_THROW(loss_weight(1, kEps, config("p3")), Error);
  EXPECT_THROW(loss_weight(-1, kEps, config("none")), Error);
}

TEST(SimpleLoss, IsTheWeightedMeanOfSquares) {
  const HostArrayF a({2, 2}, std::vector<float>{1, 2, 3, 4}), b({2, 2}, std::vector<float>{0, 0, 3, 2});
  EXPECT_DOUBLE_EQ(mean_square_error(a, b)[0], 2.5);
  EXPECT_DOUBLE_EQ(mean_square_error(a, b)[1], 2);
  EXPECT_DOUBLE_EQ(simple_loss(a, b), 2.25);
  EXPECT_DOUBLE_EQ(simple_loss(a, b, std::vector<double>{2, 1}), 3.5);
  EXPECT_THROW(simple_loss(a, b, std::vector<double>{2}), Error);
}

}  // namespace
}  // namespace langevin
