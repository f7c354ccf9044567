// A model file says everything about itself, and what does not fit is refused naming both sides.
#include "langevin/model/model_file.h"

#include <gtest/gtest.h>

#include <fstream>

#include "langevin/core/atomic_file.h"
#include "langevin/model/recipe.h"
#include "langevin/nn/cost.h"

namespace langevin {
namespace {
namespace fs = std::filesystem;

class ModelFileTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) /
              ("model_file_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    Recipe recipe = preset("tiny");
    spec_.network = make_network(recipe, 1, 16, 16, 2);
    spec_.schedule = recipe.schedule;
    spec_.prediction = PredictionType::v_prediction;
    spec_.labels = {"cat", "dog"};
    spec_.null_class = true;
    nn::CostInterpreter cost;
    const Shape x{1, 1, 16, 16}, t{1}, labels{1};
    nn::apply(cost, spec_.network, {x, t, &labels});
    for (const auto& p : cost.parameters()) {
      memory_.emplace_back(p.shape, 0.5F);
      names_.push_back(p.name);
    }
    for (size_t i = 0; i < names_.size(); ++i) {
      tensors_.push_back({names_[i], DType::f32, memory_[i].shape(), std::as_bytes(memory_[i].data())});
    }
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string error_of(const fs::path& path) {
    try {
      open_model(path);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }

  fs::path folder_;
  ModelSpec spec_;
  std::vector<HostArrayF> memory_;
  std::vector<std::string> names_;
  std::vector<TensorOut> tensors_;
};

TEST_F(ModelFileTest, RoundTrip) {
  write_model(folder_ / "model.safetensors", spec_, tensors_);
  const ModelFile model = open_model(folder_);  // a run folder
  EXPECT_EQ(to_json(model.spec), to_json(spec_));
  EXPECT_EQ(model.tensor("conv_in.bias")[0], 0.5F);
  EXPECT_EQ(class_index(model.spec, "dog"), 1);
  EXPECT_EQ(class_index(model.spec, "0"), 0);
  EXPECT_EQ(null_label(model.spec), 2);
}

TEST_F(ModelFileTest, ATargetStandsInPlaceOfTheSchedule) {
  for (const TargetConfig& target : {TargetConfig{.kind = "edm", .sigma_data = 0.3}, {.kind = "flow"}}) {
    spec_.target = target;
    write_model(folder_ / "model.safetensors", spec_, tensors_);
    const ModelSpec read = open_model(folder_).spec;
    EXPECT_EQ(read.target, target);
    EXPECT_FALSE(target_of(read).schedule());
    nlohmann::json json = to_json(spec_);
    EXPECT_FALSE(json.contains("schedule"));
    json["prediction"] = "epsilon";
    EXPECT_THROW(spec_from_json(json, "test"), Error);  // which of the two?
    json.erase("prediction");
    json["target"]["kind"] = "edn";
    EXPECT_THROW(spec_from_json(json, "test"), Error);
    json["target"] = {{"kind", "edm"}, {"sigma_min", 3}, {"sigma_max", 2}};
    EXPECT_THROW(spec_from_json(json, "test"), Error);
  }
}

TEST_F(ModelFileTest, AnUnknownClassNamesTheNearest) {
  try {
    class_index(spec_, "cag");
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("'cat'"), std::string::npos) << e.what();
  }
  EXPECT_THROW(class_index(spec_, "2"), Error);
  ModelSpec digits = spec_;
  digits.labels = {"3", "7"};
  EXPECT_EQ(class_index(digits, "7"), 1);
  EXPECT_THROW(class_index(digits, "1"), Error);  // not the second, which is called 7
  EXPECT_THROW(class_index(spec_, "-1"), Error);
}

TEST_F(ModelFileTest, AMissingTensorIsNamed) {
  const std::string gone = tensors_.back().name;
  tensors_.pop_back();
  write_model(folder_ / "model.safetensors", spec_, tensors_);
  EXPECT_NE(error_of(folder_).find(gone), std::string::npos);
}

TEST_F(ModelFileTest, AnExtraTensorIsNamed) {
  tensors_.push_back({"stowaway", DType::f32, {1}, std::as_bytes(memory_[0].data()).first(4)});
  write_model(folder_ / "model.safetensors", spec_, tensors_);
  EXPECT_NE(error_of(folder_).find("stowaway"), std::string::npos);
}

TEST_F(ModelFileTest, AWrongShapeNamesBothSides) {
  HostArrayF wrong({3}, 0.0F);
  for (auto& t : tensors_) {
    if (t.name == "conv_out.bias") t = {"conv_out.bias", DType::f32, {3}, std::as_bytes(wrong.data())};
  }
  write_model(folder_ / "model.safetensors", spec_, tensors_);
  const std::string error = error_of(folder_);
  EXPECT_NE(error.find("(3,)"), std::string::npos) << error;
  EXPECT_NE(error.find("(1,)"), std::string::npos) << error;
}

TEST_F(ModelFileTest, AnyFlippedBitIsFound) {
  const fs::path path = folder_ / "model.safetensors";
  write_model(path, spec_, tensors_);
  const std::string whole = read_file(path, 1 << 24);
  for (size_t at = 0; at < whole.size(); at += whole.size() / 97) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    std::ofstream(path, std::ios::binary) << damaged;
    EXPECT_NE(error_of(path), "") << "byte " << at;
  }
}

TEST_F(ModelFileTest, AFileOfAnotherKindSaysSo) {
  write_safetensors(folder_ / "x.safetensors", tensors_, {});
  EXPECT_NE(error_of(folder_ / "x.safetensors").find("no description of a model"), std::string::npos);
  EXPECT_NE(error_of(folder_ / "nothing").find("no such model"), std::string::npos);
  EXPECT_NE(error_of(folder_).find("holds no model"), std::string::npos);
}

TEST_F(ModelFileTest, LabelsMustFitTheNetwork) {
  spec_.labels.push_back("bird");
  write_model(folder_ / "model.safetensors", spec_, tensors_);
  EXPECT_NE(error_of(folder_).find("class embeddings"), std::string::npos);
}

TEST(Recipe, EveryPresetIsConsistentAndSurvivesToml) {
  for (const auto& name : preset_names()) {
    Recipe recipe = preset(name);
    EXPECT_NO_THROW(check_recipe(recipe)) << name;
    EXPECT_NO_THROW(make_network(recipe, 3, 32, 32, 10)) << name;
    const std::string toml = recipe_schema(recipe).to_toml();
    Recipe read;
    Schema schema = recipe_schema(read);
    schema.load_toml(toml, "test");
    EXPECT_EQ(schema.to_toml(), toml) << name;
  }
}

TEST(Recipe, WhatCannotWorkIsRefused) {
  Recipe r = preset("small");
  r.schedule.zero_terminal_snr = true;
  r.prediction = "epsilon";
  EXPECT_THROW(check_recipe(r), UsageError);
  r = preset("small");
  r.steps = 0;
  r.minutes = 0;
  EXPECT_THROW(check_recipe(r), UsageError);  // training never goes on for ever
  for (const std::string kind : {"edm", "flow"}) {
    r = preset("small");
    r.target.kind = kind;
    EXPECT_NO_THROW(check_recipe(r)) << kind;
    r.loss.kind = "min_snr_gamma";  // a weight of timesteps
    EXPECT_THROW(check_recipe(r), UsageError) << kind;
    r.loss.kind = "none";
    r.times.edm_stddev = r.times.flow_stddev = 0;
    EXPECT_THROW(check_recipe(r), UsageError) << kind;
  }
  r = preset("small");
  r.target = {.kind = "edm", .sigma_min = 80, .sigma_max = 1};
  EXPECT_THROW(check_recipe(r), UsageError);
  r = preset("small");
  r.network.attention = {7};
  EXPECT_THROW(check_recipe(r), UsageError);
  EXPECT_THROW(make_network(preset("ddpm-cifar10"), 3, 7, 32, 0), Error);  // too small an image
  EXPECT_THROW(preset("smal"), UsageError);
}

}  // namespace
}  // namespace langevin
