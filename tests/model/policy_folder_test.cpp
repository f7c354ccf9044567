// A folder of Diffusion Policy's is a model; what does not fit it is refused by name.
#include "langevin/model/policy_folder.h"

#include <gtest/gtest.h>

#include <fstream>

#include "langevin/model/model_file.h"

namespace langevin {
namespace {
namespace fs = std::filesystem;

constexpr const char* kConfig = R"({"input_dim": 2, "local_cond_dim": null, "global_cond_dim": 6,
  "diffusion_step_embed_dim": 16, "down_dims": [16, 32], "kernel_size": 5, "n_groups": 4, "cond_predict_scale": true})";

class PolicyFolder : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) /
              ("policy_folder_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    const auto config = nn::unet1d_config_from_json(nlohmann::json::parse(kConfig), "test");
    const nn::CostInterpreter cost = nn::cost_of(config);
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

}  // namespace
}  // namespace langevin
