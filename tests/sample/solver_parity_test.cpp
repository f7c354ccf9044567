// Runs of diffusers' solvers (tests/golden/sample_solvers.json says of what), repeated element by element.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "langevin/io/safetensors.h"
#include "langevin/sample/sampler.h"

namespace langevin {
namespace {

using A = HostArrayD;

const nlohmann::json& golden() {
  static const auto json =
      nlohmann::json::parse(std::ifstream(std::string(LANGEVIN_GOLDEN) + "/sample_solvers.json"));
  return json;
}

/// 0.3 sin(3 x + 0.01 t) + 0.5 x
A network(const A& x, const std::vector<double>& t, const Cond<A>&) {
  A out = x;
  for (double& value : out.data()) value = 0.3 * std::sin(3 * value + 0.01 * t[0]) + 0.5 * value;
  return out;
}

/// Repeats a case from x_T; the times at which the network was asked go to `times`.
A repeat(const nlohmann::json& entry, const A& x_T, std::vector<double>& times) {
  ScheduleConfig schedule_config;
  schedule_config.beta_start = entry.at("beta_start");
  schedule_config.beta_end = entry.at("beta_end");
  const Schedule schedule(schedule_config);
  SamplerConfig config;
  config.name = entry.at("sampler");
  config.steps = entry.at("steps");
  config.spacing = entry.at("spacing");
  config.order = entry.at("order");
  config.solver = entry.at("solver");
  config.set_alpha_to_one = entry.at("set_alpha_to_one");
  config.compat_diffusers = true;
  SampleContext<A> context;
  context.observer = [&](const StepInfo<A>& info) {
    EXPECT_EQ(info.steps, sampler_calls(config)) << entry.at("name");
    times.push_back(info.t);
    return true;
  };
  return run_sampler(config, make_denoiser<A>(network, schedule, PredictionType::epsilon), schedule, x_T,
                     context);
}

void expect_parity(const nlohmann::json& entry, const A& x_T, const A& x_0) {
  std::vector<double> times;
  const A got = repeat(entry, x_T, times);
  const auto expected = entry.at("timesteps").get<std::vector<double>>();
  ASSERT_EQ(times.size(), expected.size()) << entry.at("name");
  // Whole timesteps are the same; between them the peer's are float32.
  for (size_t i = 0; i < times.size(); ++i) {
    if (expected[i] == std::floor(expected[i])) {
      EXPECT_EQ(times[i], expected[i]) << entry.at("name") << " " << i;
    } else {
      EXPECT_EQ(static_cast<float>(times[i]), static_cast<float>(expected[i]))
          << entry.at("name") << " " << i;
    }
  }
  for (int64_t j = 0; j < x_0.size(); ++j) EXPECT_NEAR(got[j], x_0[j], 1e-4) << entry.at("name") << " " << j;
}

TEST(SolverParity, IsThatOfDiffusers) {
  ASSERT_EQ(golden().at("cases").size(), 11u);
  const A x_T({2, 8}, golden().at("x_T").get<std::vector<double>>());
  for (const auto& entry : golden().at("cases")) {
    expect_parity(entry, x_T, A({2, 8}, entry.at("x_0").get<std::vector<double>>()));
  }
}

A whole(const SafetensorsFile& file, const std::string& name) {
  const HostArrayF values = file.to_float(name);
  return A(values.shape(), std::vector<double>(values.data().begin(), values.data().end()));
}

TEST(SolverParity, AlsoOfTheWholeArrays) {
  const std::string path = std::string(LANGEVIN_SHARED) + "/parity/samplers.safetensors";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  const SafetensorsFile file = SafetensorsFile::open(path);
  for (const auto& entry : golden().at("cases")) {
    expect_parity(entry, whole(file, "x_T"), whole(file, entry.at("name").get<std::string>() + ".x_0"));
  }
}

}  // namespace
}  // namespace langevin
