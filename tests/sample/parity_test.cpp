// Sampler runs of diffusers 0.21 (tests/golden/sample_ddim.json says of what), repeated element by element.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "langevin/sample/sampler.h"
#include "langevin/sample/threshold.h"

namespace langevin {
namespace {

const nlohmann::json& golden() {
  static const auto json =
      nlohmann::json::parse(std::ifstream(std::string(LANGEVIN_GOLDEN) + "/sample_ddim.json"));
  return json;
}

/// f(x, t) = 0.3 sin(3 x + 0.01 t) + 0.5 x
template <class T>
HostArray<T> network(const HostArray<T>& x, const std::vector<double>& t, const Cond<HostArray<T>>&) {
  HostArray<T> out = x;
  for (T& value : out.data()) {
    value = T(0.3) * std::sin(T(3) * value + T(0.01) * static_cast<T>(t[0])) + T(0.5) * value;
  }
  return out;
}

template <class T>
Denoiser<HostArray<T>> denoiser(const Schedule& schedule, PredictionType type, bool clip) {
  auto out = make_denoiser<HostArray<T>>(network<T>, schedule, type);
  ThresholdConfig threshold;
  threshold.kind = clip ? "clip" : "none";
  return threshold_denoiser(std::move(out), schedule, threshold);
}

template <class T>
HostArray<T> array(const nlohmann::json& values) {
  return HostArray<T>({2, 8}, values.get<std::vector<T>>());
}

template <class T>
void expect_ddim_parity(const nlohmann::json& entry, double tolerance) {
  ScheduleConfig schedule_config;
  schedule_config.kind = entry.at("beta_schedule");
  const Schedule schedule(schedule_config);
  SamplerConfig config;
  config.name = "ddim";
  config.steps = entry.at("steps");
  config.spacing = entry.at("spacing");
  config.compat_diffusers = true;
  EXPECT_EQ(timestep_grid(schedule.T(), config.steps, spacing(config.spacing)),
            entry.at("timesteps").get<std::vector<int64_t>>());
  const auto x0 = run_sampler(
      config, denoiser<T>(schedule, prediction_type(entry.at("prediction_type")), entry.at("clip_sample")),
      schedule, array<T>(golden().at("x_T")));
  const auto expected = array<T>(entry.at("x_0"));
  for (int64_t j = 0; j < expected.size(); ++j) {
    EXPECT_NEAR(x0[j], expected[j], tolerance * (1 + std::abs(expected[j]))) << entry.at("name") << " " << j;
  }
}

TEST(Parity, DdimIsThatOfDiffusers) {
  ASSERT_EQ(golden().at("cases").size(), 15u);
  for (const auto& entry : golden().at("cases")) {
    expect_ddim_parity<float>(entry, 1e-4);
    expect_ddim_parity<double>(entry, 1e-4);
  }
}

TEST(Parity, OurStepsDifferOnlyWhereTheGridIsNotEven) {
  const Schedule schedule;
  const DdimOptions ours{}, theirs{.compat_diffusers = true};
  const auto differ = [&](int64_t steps, Spacing spacing) {
    const auto grid = timestep_grid(1000, steps, spacing);
    int64_t count = 0;
    for (int64_t i = 0; i < steps; ++i) {
      count += ddim_next_alpha_bar(schedule, grid, i, ours) != ddim_next_alpha_bar(schedule, grid, i, theirs);
    }
    return count;
  };
  EXPECT_EQ(differ(20, Spacing::leading), 0);
  EXPECT_EQ(differ(20, Spacing::trailing), 0);
  EXPECT_GT(differ(20, Spacing::linspace), 10);
  EXPECT_EQ(differ(30, Spacing::trailing), 10);  // 1000 / 30 = 33 1/3: every third
}

TEST(Parity, DdpmStepAtZero) {
  const Schedule schedule;
  const auto d = denoiser<float>(schedule, PredictionType::epsilon, true);
  const auto x0 = ddpm(d, schedule, array<float>(golden().at("x_T")), {0});
  const auto expected = array<float>(golden().at("ddpm_step0").at("x_0"));
  for (int64_t j = 0; j < expected.size(); ++j) EXPECT_NEAR(x0[j], expected[j], 1e-6);
}

TEST(Parity, DdpmVariances) {
  const auto json =
      nlohmann::json::parse(std::ifstream(std::string(LANGEVIN_GOLDEN) + "/diffusion_schedules.json"))
          .at("ddpm_variance");
  const Schedule schedule;
  for (const auto type : {DdpmVariance::fixed_small, DdpmVariance::fixed_large}) {
    for (size_t i = 0; i < json.at("t").size(); ++i) {
      const int64_t t = json.at("t")[i];
      const double expected = json.at(to_string(type))[i];
      const double ours = ddpm_variance(schedule.alpha_bar(t - 1), schedule.alpha_bar(t), type);
      // float32 there: 1 - alphas_cumprod has an error of 6e-8.
      EXPECT_NEAR(ours, expected, 2e-7 + (t < 10 ? 2e-3 : 1e-5) * expected) << to_string(type) << t;
    }
  }
  EXPECT_EQ(ddpm_variance(1, schedule.alpha_bar(0), DdpmVariance::fixed_small), 1e-20);
}

}  // namespace
}  // namespace langevin
