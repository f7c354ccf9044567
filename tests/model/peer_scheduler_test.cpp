// Schedulers of diffusers: a configuration of theirs samples as it does there, and what is not honoured is
// refused by its name.
#include "langevin/model/peer_scheduler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "langevin/core/json_file.h"
#include "langevin/io/safetensors.h"

namespace langevin {
namespace {

using A = HostArrayD;
using nlohmann::json;

/// 0.3 sin(3 x + 0.01 t) + 0.5 x
A network(const A& x, const std::vector<double>& t, const Cond<A>&) {
  A out = x;
  for (double& value : out.data()) value = 0.3 * std::sin(3 * value + 0.01 * t[0]) + 0.5 * value;
  return out;
}

ModelSpec read(const std::string& scheduler, const json& config) {
  ModelSpec spec;
  EXPECT_EQ(apply_peer_scheduler(config, "config", scheduler, spec), std::vector<std::string>{});
  return spec;
}

/// From x_T as the configuration says; the times at which the network was asked go to `times`.
A sample(const ModelSpec& spec, int64_t steps, const A& x_T, std::vector<double>& times) {
  const Schedule schedule(spec.schedule);
  SamplerConfig config = spec.sampling->sampler;
  config.steps = steps;
  SampleContext<A> context;
  context.observer = [&](const StepInfo<A>& info) {
    times.push_back(info.t);
    return true;
  };
  const auto denoiser = threshold_denoiser(make_denoiser<A>(network, schedule, spec.prediction), schedule,
                                           spec.sampling->threshold);
  return run_sampler(config, denoiser, schedule, x_T, context);
}

TEST(PeerScheduler, SamplesAsThere) {
  const json golden = json::parse(std::ifstream(std::string(LANGEVIN_GOLDEN) + "/peer_schedulers.json"));
  const A x_T({2, 2, 2, 2}, golden.at("x_T").get<std::vector<double>>());
  ASSERT_GT(golden.at("cases").size(), 70U);
  for (const json& entry : golden.at("cases")) {
    SCOPED_TRACE(entry.at("scheduler").get<std::string>() + " " + entry.at("config").dump());
    std::vector<double> times;
    const A got = sample(read(entry.at("scheduler"), entry.at("config")), entry.at("steps"), x_T, times);
    const auto expected = entry.at("timesteps").get<std::vector<double>>();
    ASSERT_EQ(times.size(), expected.size());
    for (size_t i = 0; i < times.size(); ++i) {
      const bool whole = expected[i] == std::floor(expected[i]);  // between, theirs come of float32 tables
      EXPECT_NEAR(times[i], expected[i], whole ? 1e-9 : 0.02);
    }
    const auto x_0 = entry.at("x_0").get<std::vector<double>>();
    for (size_t i = 0; i < x_0.size(); ++i)
      EXPECT_NEAR(got[static_cast<int64_t>(i)], x_0[i], 1e-4 * (1 + std::abs(x_0[i]))) << i;
  }
}

// Every configuration that ../shared/parity was made with, as diffusers 0.21 writes it: all keys.
TEST(PeerScheduler, ReadsWholeConfigurations) {
  const std::string folder = std::string(LANGEVIN_SHARED) + "/parity/";
  if (!std::filesystem::exists(folder + "samplers.json")) GTEST_SKIP() << folder << " is not there";
  const json cases = read_json(folder + "samplers.json").at("cases");
  const SafetensorsFile file = SafetensorsFile::open(folder + "samplers.safetensors");
  const auto whole = [&](const std::string& name) {
    const HostArrayF values = file.to_float(name);
    return A(values.shape(), std::vector<double>(values.data().begin(), values.data().end()));
  };
  for (const auto& [name, entry] : cases.items()) {
    SCOPED_TRACE(name);
    std::vector<double> times;
    const A x_0 = whole(name + ".x_0");
    const A got =
        sample(read(entry.at("scheduler"), entry.at("config")), entry.at("steps"), whole("x_T"), times);
    double difference = 0, size = 0;
    for (int64_t i = 0; i < x_0.size(); ++i) {
      difference += std::pow(got[i] - x_0[i], 2);
      size += std::pow(x_0[i], 2);
    }
    EXPECT_LT(std::sqrt(difference / size), 1e-4);
  }
}

std::string error_of(const std::string& scheduler, const json& config) {
  ModelSpec spec;
  try {
    apply_peer_scheduler(config, "config", scheduler, spec);
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
    return e.what();
  }
  return "";
}

TEST(PeerScheduler, RefusesByNameWhatItCannotHonour) {
  struct Case {
    const char* scheduler;
    const char* config;
    const char* message;
  };
  const std::vector<Case> cases{
      {"ScoreSdeVeScheduler", "{}", "unknown scheduler 'ScoreSdeVeScheduler'"},
      {"DDPMSchedular", "{}", "did you mean 'DDPMScheduler'?"},
      {"", "{}", "unknown scheduler ''"},
      {"DDPMScheduler", R"({"beta_schedul": "linear"})", "unknown key 'beta_schedul'"},
      {"DDPMScheduler", R"({"beta_schedule": "laplace"})", "unknown beta_schedule 'laplace'"},
      {"DDPMScheduler", R"({"beta_start": "small"})", "beta_start has the wrong type"},
      {"DDPMScheduler", R"({"num_train_timesteps": 0})", "timesteps must be 1 to"},
      {"DDPMScheduler", R"({"num_train_timesteps": 10, "trained_betas": [0.1, 0.2]})",
       "trained_betas has 2 numbers for num_train_timesteps = 10"},
      {"DDPMScheduler", R"({"trained_betas": [0.1, 1.2]})", "beta[1] must be in (0, 1)"},
      {"DDPMScheduler", R"({"prediction_type": "flow_prediction"})",
       "unknown prediction_type 'flow_prediction'"},
      {"DDPMScheduler", R"({"variance_type": "learned"})", "unknown variance_type 'learned'"},
      {"DDPMScheduler", R"({"variance_type": "learned_range"})", "twice the channels"},
      {"DDPMScheduler", R"({"variance_type": "fixed_large", "steps_offset": 1})", "steps_offset = 1 with"},
      {"DDPMScheduler", R"({"timestep_spacing": "log_snr"})", "unknown timestep_spacing 'log_snr'"},
      {"DDPMScheduler", R"({"steps_offset": -1})", "steps_offset must be 0 or more"},
      {"DDIMScheduler", R"({"timestep_values": [1, 2]})", "timestep_values = [1,2] is not supported"},
      {"DDIMScheduler", R"({"thresholding": true, "dynamic_thresholding_ratio": 2})", "quantile"},
      {"DDIMScheduler", R"({"clip_sample": true, "clip_sample_range": -1})", "range must be above 0"},
      {"DPMSolverMultistepScheduler", R"({"solver_order": 4})", "solver_order must be 1 to 3, got 4"},
      {"DPMSolverMultistepScheduler", R"({"algorithm_type": "sde-dpmsolver"})", "unknown algorithm_type"},
      {"DPMSolverMultistepScheduler", R"({"lambda_min_clipped": -5.1})", "lambda_min_clipped = -5.1"},
      {"DPMSolverMultistepScheduler", R"({"use_lu_lambdas": true})", "use_lu_lambdas = true"},
      {"DPMSolverMultistepScheduler", R"({"use_flow_sigmas": true})", "use_flow_sigmas = true"},
      {"DPMSolverMultistepScheduler", R"({"variance_type": "learned"})", "variance_type = \"learned\""},
      {"DPMSolverMultistepScheduler", R"({"euler_at_final": true})", "euler_at_final = true"},
      {"DPMSolverMultistepScheduler", R"({"use_karras_sigmas": true, "use_exponential_sigmas": true})",
       "exclude each other"},
      {"UniPCMultistepScheduler", R"({"predict_x0": false})", "predict_x0 = false"},
      {"UniPCMultistepScheduler", R"({"disable_corrector": [0]})", "disable_corrector = [0]"},
      {"EulerDiscreteScheduler", R"({"interpolation_type": "log_linear"})", "interpolation_type"},
      {"EulerDiscreteScheduler", R"({"timestep_type": "continuous"})", "timestep_type"},
      {"EulerDiscreteScheduler", R"({"sigma_max": 700})", "sigma_max = 700"},
      {"EulerDiscreteScheduler", R"({"final_sigmas_type": "max"})", "unknown final_sigmas_type 'max'"},
      {"LMSDiscreteScheduler", R"({"use_beta_sigmas": true})", "use_beta_sigmas = true"},
      {"LCMScheduler", R"({"timestep_scaling": 5.0})", "timestep_scaling = 5.0"},
      {"DDPMScheduler", "[]", "expected a JSON object"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.scheduler) + " " + c.config);
    const std::string message = error_of(c.scheduler, json::parse(c.config));
    EXPECT_EQ(message.rfind("config: ", 0), 0U) << message;
    EXPECT_NE(message.find(c.message), std::string::npos) << message;
  }
}

TEST(PeerScheduler, KeysOfOtherClassesAreTold) {
  ModelSpec spec;
  const auto notes = apply_peer_scheduler(
      {{"_class_name", "EulerDiscreteScheduler"}, {"skip_prk_steps", true}, {"clip_sample", false}}, "config",
      "", spec);
  EXPECT_TRUE(notes.empty());  // nothing that would count
  const auto told = apply_peer_scheduler({{"clip_sample", true}, {"variance_type", "fixed_small"}}, "config",
                                         "PNDMScheduler", spec);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_NE(told[0].find("PNDMScheduler has no clip_sample, variance_type"), std::string::npos) << told[0];
  EXPECT_EQ(spec.sampling->threshold.kind, "none");
}

TEST(PeerScheduler, OldKeysAndPythonsNumbers) {
  EXPECT_EQ(read("DDPMScheduler", {{"predict_epsilon", false}, {"tensor_format", "pt"}}).prediction,
            PredictionType::sample);
  read("DPMSolverMultistepScheduler", {{"lambda_min_clipped", "-Infinity"}});
  // What a class filled in itself does not count where another reads it.
  const ModelSpec spec = read("PNDMScheduler", {{"_class_name", "DDIMScheduler"},
                                                {"set_alpha_to_one", true},
                                                {"_use_default_values", {"set_alpha_to_one"}}});
  EXPECT_FALSE(spec.sampling->sampler.set_alpha_to_one);
}

TEST(PeerScheduler, WhatIsWrittenReadsBack) {
  ModelSpec spec;
  spec.schedule.kind = "cosine";
  spec.schedule.zero_terminal_snr = true;
  spec.prediction = PredictionType::v_prediction;
  const ModelSpec again = read("", peer_scheduler(spec));
  EXPECT_EQ(again.prediction, spec.prediction);
  const Schedule a(spec.schedule), b(again.schedule);
  for (int64_t t = 0; t < a.T(); ++t) ASSERT_EQ(a.alpha_bar(t), b.alpha_bar(t));
  EXPECT_EQ(again.sampling->sampler.spacing, "trailing");
  EXPECT_EQ(again.sampling->threshold.kind, "clip");

  for (const char* kind : {"linear", "scaled_linear", "sigmoid"}) {
    spec.schedule = {};
    spec.schedule.kind = kind;
    spec.schedule.timesteps = 77;
    const Schedule c(spec.schedule), d(read("", peer_scheduler(spec)).schedule);
    ASSERT_EQ(d.T(), 77);
    for (int64_t t = 0; t < 77; ++t) ASSERT_EQ(c.alpha_bar(t), d.alpha_bar(t)) << kind;
  }

  ModelSpec learned;
  nn::UNet2DConfig network;
  network.out_channels = 2 * network.in_channels;
  learned.network = network;
  const json range = peer_scheduler(learned);
  EXPECT_EQ(range["_class_name"], "DDPMScheduler");
  EXPECT_EQ(range["variance_type"], "learned_range");
  apply_peer_scheduler(range, "config", "", learned);
  EXPECT_EQ(learned.sampling->sampler.variance, "learned_range");
  EXPECT_EQ(peer_scheduler(learned)["variance_type"], "learned_range");
  // Solvers leave the second half of the output alone, there and here.
  apply_peer_scheduler({{"variance_type", "learned_range"}}, "config", "DPMSolverMultistepScheduler",
                       learned);

  ModelSpec ddpm = read("DDPMScheduler", {{"variance_type", "fixed_large"}, {"clip_sample_range", 2.0}});
  const json written = peer_scheduler(ddpm);
  EXPECT_EQ(written["_class_name"], "DDPMScheduler");
  EXPECT_EQ(peer_scheduler(read("", written)), written);
}

}  // namespace
}  // namespace langevin
