#include "langevin/diffusion/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <numeric>

#include "langevin/core/config.h"

namespace langevin {
namespace {

nlohmann::json golden() {
  return nlohmann::json::parse(std::ifstream(std::string(LANGEVIN_GOLDEN) + "/diffusion_schedules.json"));
}

Schedule make(const std::string& kind, int64_t T = 1000, bool zero_snr = false) {
  ScheduleConfig config;
  config.kind = kind;
  config.timesteps = T;
  config.zero_terminal_snr = zero_snr;
  return Schedule(config);
}

Schedule explicit_betas(std::vector<double> betas) {
  ScheduleConfig config;
  config.kind = "explicit";
  config.timesteps = static_cast<int64_t>(betas.size());
  config.betas = std::move(betas);
  return Schedule(config);
}

std::string error_of(const ScheduleConfig& config) {
  try {
    Schedule schedule(config);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Schedule, HasTheAlphasCumprodOfDiffusers) {
  for (const auto& entry : golden().at("alphas_cumprod")) {
    const std::string kind = entry.at("kind");
    const Schedule schedule = make(kind, entry.at("T"));
    for (size_t i = 0; i < entry.at("t").size(); ++i) {
      const int64_t t = entry.at("t")[i];
      const double expected = entry.at("value")[i];
      EXPECT_NEAR(schedule.alpha_bar(t), expected, 1e-6 + 1e-5 * expected) << kind << " t = " << t;
      EXPECT_NEAR(schedule.alpha_bar(t) / expected, 1, 2e-4) << kind << " t = " << t;  // float32 there
    }
  }
}

// Lin et al. 2023, arXiv:2305.08891, table 1: SNR(T) and sqrt(alphas_cumprod_T) of common schedules.
TEST(Schedule, EndsWhereThePublishedTableSays) {
  EXPECT_NEAR(make("linear").snr(999), 4.035993e-05, 1e-10);
  EXPECT_NEAR(make("linear").alpha(999), 0.006353, 5e-7);
  EXPECT_NEAR(make("cosine").snr(999), 2.428735e-09, 1e-13);
  EXPECT_NEAR(make("cosine").alpha(999), 4.928220e-05, 1e-9);
  ScheduleConfig stable_diffusion;
  stable_diffusion.kind = "scaled_linear";
  stable_diffusion.beta_start = 0.00085;
  stable_diffusion.beta_end = 0.012;
  EXPECT_NEAR(Schedule(stable_diffusion).snr(999), 0.004682, 5e-7);
  EXPECT_NEAR(Schedule(stable_diffusion).alpha(999), 0.068265, 5e-7);
}

TEST(Schedule, CosineHasTwoNames) {
  const Schedule ours = make("cosine", 50), theirs = make("squaredcos_cap_v2", 50);
  EXPECT_TRUE(std::ranges::equal(ours.betas(), theirs.betas()));
  EXPECT_DOUBLE_EQ(ours.betas().back(), 0.999);  // the cap
}

TEST(Schedule, TwoStepsByHand) {
  const Schedule schedule = explicit_betas({0.1, 0.2});
  EXPECT_NEAR(schedule.alpha_bar(-1), 1, 0);
  EXPECT_NEAR(schedule.alpha_bar(0), 0.9, 1e-15);
  EXPECT_NEAR(schedule.alpha_bar(1), 0.72, 1e-15);
  EXPECT_NEAR(schedule.alpha(1), std::sqrt(0.72), 1e-15);
  EXPECT_NEAR(schedule.sigma(1), std::sqrt(0.28), 1e-15);
  EXPECT_NEAR(schedule.snr(1), 0.72 / 0.28, 1e-14);
  EXPECT_NEAR(schedule.log_snr(1), std::log(0.72 / 0.28), 1e-14);
  EXPECT_EQ(schedule.snr(-1), std::numeric_limits<double>::infinity());
  EXPECT_NEAR(schedule.posterior_variance()[1], 0.1 / 0.28 * 0.2, 1e-15);
  EXPECT_NEAR(schedule.posterior_mean_coef1()[1], std::sqrt(0.9) * 0.2 / 0.28, 1e-15);
  EXPECT_NEAR(schedule.posterior_mean_coef2()[1], std::sqrt(0.8) * 0.1 / 0.28, 1e-15);
}

TEST(Schedule, FirstPosteriorIsTheDataItself) {
  for (const char* kind : {"linear", "scaled_linear", "cosine", "sigmoid"}) {
    const Schedule schedule = make(kind);
    EXPECT_EQ(schedule.posterior_mean_coef1()[0], 1) << kind;
    EXPECT_EQ(schedule.posterior_mean_coef2()[0], 0) << kind;
    EXPECT_EQ(schedule.posterior_variance()[0], 0) << kind;
    EXPECT_EQ(schedule.posterior_log_variance_clipped()[0], std::log(schedule.posterior_variance()[1]))
        << kind;
  }
}

TEST(Schedule, AllKindsFallAndKeepTheCircle) {
  for (const char* kind : {"linear", "scaled_linear", "cosine", "sigmoid"}) {
    for (const bool zero_snr : {false, true}) {
      const Schedule schedule = make(kind, 1000, zero_snr);
      ASSERT_EQ(schedule.T(), 1000);
      for (int64_t t = 0; t < schedule.T(); ++t) {
        ASSERT_LT(schedule.alpha_bar(t), schedule.alpha_bar(t - 1)) << kind << " " << t;
        ASSERT_NEAR(std::pow(schedule.alpha(t), 2) + std::pow(schedule.sigma(t), 2), 1, 1e-15);
      }
    }
  }
}

TEST(Schedule, ZeroTerminalSnrIsAnAffineMapOfTheRoot) {
  const Schedule before = make("linear"), after = make("linear", 1000, true);
  EXPECT_EQ(after.alpha(999), 0);
  EXPECT_EQ(after.sigma(999), 1);
  EXPECT_EQ(after.snr(999), 0);
  EXPECT_EQ(after.betas().back(), 1);
  EXPECT_NEAR(after.alpha(0), before.alpha(0), 1e-14);
  const double scale = before.alpha(0) / (before.alpha(0) - before.alpha(999));
  for (int64_t t = 0; t < 1000; ++t) {
    ASSERT_NEAR(after.alpha(t), (before.alpha(t) - before.alpha(999)) * scale, 1e-12) << t;
  }
  // The posterior of the last step knows x_0 only from x_0: x_T is pure noise.
  EXPECT_NEAR(after.posterior_mean_coef1()[999], after.alpha(998), 1e-15);
  EXPECT_EQ(after.posterior_mean_coef2()[999], 0);
}

TEST(Schedule, LevelsBetweenTimesteps) {
  const Schedule schedule = make("linear");
  EXPECT_EQ(schedule.level(17.0).alpha[0], schedule.alpha(17));
  EXPECT_EQ(schedule.level(-1.0).sigma[0], 0);
  const double quarter = schedule.level(17.25).alpha[0];  // a geometric mean, nearer to 17
  EXPECT_NEAR(quarter, std::pow(schedule.alpha(17), 0.75) * std::pow(schedule.alpha(18), 0.25), 1e-15);
  const Schedule zero = make("linear", 1000, true);
  EXPECT_NEAR(zero.level(998.5).alpha[0], zero.alpha(998) / 2, 1e-15);
  const std::vector<int64_t> t{0, 999};
  EXPECT_EQ(schedule.level(t).alpha[1], schedule.alpha(999));
  EXPECT_TRUE(schedule.level(t).sigma.per_sample());
  EXPECT_THROW(schedule.level(1000.0), Error);
  EXPECT_THROW(schedule.level(-1.5), Error);
  EXPECT_THROW(schedule.level(std::nan("")), Error);
  EXPECT_THROW(schedule.alpha(1000), Error);
  EXPECT_THROW(schedule.alpha(-2), Error);
}

TEST(Schedule, OneStepIsEnough) {
  const Schedule schedule = make("linear", 1);
  EXPECT_NEAR(schedule.alpha_bar(0), 1 - 1e-4, 1e-15);
  EXPECT_NEAR(schedule.posterior_log_variance_clipped()[0], std::log(1e-4), 1e-12);
}

TEST(Schedule, RefusesWhatIsNoSchedule) {
  ScheduleConfig config;
  config.kind = "cosin";
  EXPECT_NE(error_of(config).find("cosine"), std::string::npos) << error_of(config);
  for (const int64_t T : {int64_t{0}, int64_t{-1}, int64_t{1} << 60}) {
    config = {};
    config.timesteps = T;
    EXPECT_NE(error_of(config).find("timesteps"), std::string::npos);
  }
  for (const double beta : {0.0, -0.1, 1.5, std::nan(""), std::numeric_limits<double>::infinity()}) {
    config = {};
    config.beta_end = beta;
    EXPECT_NE(error_of(config), "") << beta;
    EXPECT_THROW(explicit_betas({0.1, beta, 0.1}), Error) << beta;
  }
  EXPECT_THROW(explicit_betas({0.1, 1, 0.1}), Error);  // 1 only as the last
  EXPECT_NO_THROW(explicit_betas({0.1, 1}));
  EXPECT_THROW(explicit_betas({0.1, 1e-17}), Error);  // alphas_cumprod would not fall
  config = {};
  config.timesteps = 200000;  // alphas_cumprod would underflow to 0
  EXPECT_NE(error_of(config).find("alphas_cumprod"), std::string::npos);
  config = {};
  config.kind = "explicit";
  config.betas = {0.1};
  EXPECT_NE(error_of(config).find("as many as timesteps"), std::string::npos);
  config.kind = "linear";
  EXPECT_NE(error_of(config).find("explicit"), std::string::npos);
  config = {};
  config.timesteps = 1;
  config.zero_terminal_snr = true;
  EXPECT_NE(error_of(config).find("at least 2"), std::string::npos);
}

TEST(Schedule, ConfigGoesThroughJson) {
  ScheduleConfig config;
  config.kind = "explicit";
  config.timesteps = 3;
  config.betas = {0.1, 0.2, 1.0 / 3};
  config.zero_terminal_snr = true;
  const nlohmann::json json = config;
  EXPECT_EQ(nlohmann::json::parse(json.dump()).get<ScheduleConfig>(), config);
  EXPECT_EQ(nlohmann::json::object().get<ScheduleConfig>(), ScheduleConfig{});
  EXPECT_THROW(nlohmann::json({{"kinds", "linear"}}).get<ScheduleConfig>(), Error);
  EXPECT_THROW(nlohmann::json({{"timesteps", "many"}}).get<ScheduleConfig>(), Error);
}

}  // namespace
}  // namespace langevin
