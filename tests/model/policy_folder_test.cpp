// A folder of Diffusion Policy's is a model; what does not fit it is refused by name.
#include "langevin/model/policy_folder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <span>

#include "langevin/model/model_file.h"

namespace langevin {
namespace {
namespace fs = std::filesystem;

constexpr const char* kTransformer = R"({"input_dim": 2, "output_dim": 2, "horizon": 3, "n_obs_steps": 2,
  "cond_dim": 5, "n_layer": 1, "n_head": 2, "n_emb": 8, "p_drop_emb": 0.0, "p_drop_attn": 0.01,
  "causal_attn": true, "time_as_cond": true, "obs_as_cond": true, "n_cond_layers": 0})";

constexpr const char* kConfig = R"({"input_dim": 2, "local_cond_dim": null, "global_cond_dim": 6,
  "diffusion_step_embed_dim": 16, "down_dims": [16, 32], "kernel_size": 5, "n_groups": 4, "cond_predict_scale": true})";

class PolicyFolder : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) /
              ("policy_folder_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    take_tensors(nn::unet1d_config_from_json(nlohmann::json::parse(kConfig), "test"));
  }
  void take_tensors(const nn::NetworkConfig& config) {
    const nn::CostInterpreter cost = nn::cost_of(config);
    memory_.clear();
    tensors_.clear();
    for (const auto& p : cost.parameters()) memory_.emplace_back(p.shape, 0.25F);
    for (size_t i = 0; i < memory_.size(); ++i) {
      tensors_.push_back(
          {cost.parameters()[i].name, DType::f32, memory_[i].shape(), std::as_bytes(memory_[i].data())});
    }
  }
  void TearDown() override { fs::remove_all(folder_); }

  void write(const std::string& config) {
    std::ofstream(folder_ / "config.json") << config;
    write_safetensors(folder_ / "model.safetensors", tensors_, {});
  }
  std::string error() {
    try {
      open_model(folder_);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }

  fs::path folder_;
  std::vector<HostArrayF> memory_;
  std::vector<TensorOut> tensors_;
};

TEST_F(PolicyFolder, IsAModelWithTheAuthorsProcess) {
  write(kConfig);
  const ModelFile model = open_model(folder_);
  EXPECT_EQ(nn::input_shape(model.spec.network, 1), (Shape{1, 2, 16}));
  EXPECT_EQ(nn::global_cond_dim(model.spec.network), 6);
  EXPECT_EQ(model.spec.schedule.timesteps, 100);
  EXPECT_EQ(model.spec.prediction, PredictionType::epsilon);
  EXPECT_EQ(model.tensor("final_conv.1.bias")[1], 0.25F);
  EXPECT_EQ(to_json(spec_from_json(to_json(model.spec), "test")),
            to_json(model.spec));  // can be written as ours
}

TEST_F(PolicyFolder, AWholePolicysNamesAreTaken) {
  for (TensorOut& t : tensors_) t.name = "model." + t.name;
  write(kConfig);
  EXPECT_EQ(open_model(folder_).tensor("final_conv.1.bias")[1], 0.25F);
  const HostArrayF scale({2}, 1.0F);
  tensors_.push_back({"normalizer.scale", DType::f32, {2}, std::as_bytes(scale.data())});
  write(kConfig);
  EXPECT_NE(error().find("normalizer.scale"), std::string::npos) << error();
}

TEST_F(PolicyFolder, WhatDoesNotFitIsNamed) {
  write(kConfig);
  std::string config = kConfig;
  config.replace(config.find("null"), 4, "3");
  write(config);
  EXPECT_NE(error().find("local_cond_dim = 3"), std::string::npos) << error();
  config = kConfig;
  config.replace(config.find("[16, 32]"), 8, "[16, 64]");
  write(config);
  EXPECT_NE(error().find("the network needs"), std::string::npos) << error();
  write(R"({"type": "diffusion", "n_obs_steps": 2})");  // some other project's
  EXPECT_NE(error().find("no description of a model"), std::string::npos) << error();
  write("{\"input_dim\"");
  EXPECT_NE(error(), "");
  tensors_.pop_back();
  write(kConfig);
  EXPECT_NE(error().find("final_conv.1.bias"), std::string::npos) << error();
}

/// The peer's masks of three actions, and of them and two observations behind the timestep.
class TransformerPolicyFolder : public PolicyFolder {
 protected:
  static constexpr float kHidden = -INFINITY;
  void SetUp() override {
    PolicyFolder::SetUp();
    take_tensors(nn::transformer_policy_config_from_json(nlohmann::json::parse(kTransformer), "test"));
    tensors_.push_back({"mask", DType::f32, {3, 3}, std::as_bytes(std::span(mask_))});
    tensors_.push_back({"memory_mask", DType::f32, {3, 3}, std::as_bytes(std::span(memory_mask_))});
    tensors_.push_back({"_dummy_variable", DType::f32, {0}, {}});
  }
  std::vector<float> mask_{0, kHidden, kHidden, 0, 0, kHidden, 0, 0, 0};
  std::vector<float> memory_mask_{0, 0, kHidden, 0, 0, 0, 0, 0, 0};
};

TEST_F(TransformerPolicyFolder, IsKnownByItsTensorsAndItsMasksAreNoWeights) {
  write(kTransformer);
  const ModelFile model = open_model(folder_);
  EXPECT_EQ(nn::type_name(model.spec.network), "transformer_policy");
  EXPECT_EQ(model.weights.names().size(), memory_.size());
  EXPECT_EQ(model.spec.schedule.timesteps, 100);
}

TEST_F(TransformerPolicyFolder, MasksThatContradictTheConfigurationAreRefused) {
  std::string config = kTransformer;
  config.replace(config.find("true"), 4, "false");
  write(config);
  EXPECT_NE(error().find("has mask, but config.json"), std::string::npos) << error();
  memory_mask_[2] = 0;
  write(kTransformer);
  EXPECT_NE(error().find("memory_mask at (0, 2)"), std::string::npos) << error();
  config = kTransformer;
  config.replace(config.find("\"horizon\": 3"), 12, "\"horizon\": 4");
  write(config);
  EXPECT_NE(error().find("mask is (3, 3), config.json describes (4, 4)"), std::string::npos) << error();
}

}  // namespace
}  // namespace langevin
