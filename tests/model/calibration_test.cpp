// The int8 calibration in a model's description: it comes back as it was, and what is damaged is named.
#include "langevin/model/calibration.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "langevin/core/check.h"
#include "langevin/model/spec.h"

namespace langevin {
namespace {

using nlohmann::json;

nn::NetworkConfig network() {
  nn::UNet2DConfig c;
  c.sample_height = c.sample_width = 8;
  c.block_out_channels = {16, 32};
  c.down_block_types = {"DownBlock2D", "DownBlock2D"};
  c.up_block_types = {"UpBlock2D", "UpBlock2D"};
  c.layers_per_block = 1;
  c.norm_num_groups = 8;
  return nn::validated(c);
}

Calibration example() {
  LayerCalibration layer{"down_blocks.0.resnets.0.conv1", true, {}, {}, 0.0125};
  for (int c = 0; c < 16; ++c) {
    layer.step.push_back(0.1F / static_cast<float>(c + 3));
    layer.zero.push_back(static_cast<uint8_t>(17 * c));
  }
  LayerCalibration left = layer;
  left.name = "down_blocks.0.resnets.0.conv2";
  left.int8 = false;
  return {{layer, left}, {{0, 99, 0.03}, {100, 999, 0.01}}, "data", 64, std::numeric_limits<uint64_t>::max()};
}

TEST(Calibration, ComesBackToTheLastBit) {
  const Calibration before = example();
  const json text = json::parse(to_json(before).dump());
  const Calibration after = calibration_from_json(text, network(), "file");
  ASSERT_EQ(after.layers.size(), 2U);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(after.layers[i].name, before.layers[i].name);
    EXPECT_EQ(after.layers[i].int8, before.layers[i].int8);
    EXPECT_EQ(after.layers[i].step, before.layers[i].step);
    EXPECT_EQ(after.layers[i].zero, before.layers[i].zero);
    EXPECT_EQ(after.layers[i].error, before.layers[i].error);
  }
  ASSERT_EQ(after.errors.size(), 2U);
  EXPECT_EQ(after.errors[1].last_t, 999);
  EXPECT_EQ(after.seed, before.seed);
  EXPECT_EQ(after.samples, 64);
  EXPECT_EQ(after.source, "data");
  EXPECT_NE(after.find("down_blocks.0.resnets.0.conv1"), nullptr);
  EXPECT_EQ(after.find("down_blocks.0.resnets.0.conv2"), nullptr) << "it is left in fp32";
  EXPECT_EQ(after.find("conv_in"), nullptr);
}

struct Damage {
  const char* what;
  std::function<void(json&)> make;
};

TEST(Calibration, WhatIsDamagedIsRefused) {
  const std::vector<Damage> all{
      {"version", [](json& j) { j["version"] = 2; }},
      {"no version", [](json& j) { j.erase("version"); }},
      {"not an object",
       [](json& j) {
         j = json::array({1, 2});
       }},
      {"layers of another type", [](json& j) { j["layers"] = "all"; }},
      {"an operator the network has not", [](json& j) { j["layers"][0]["name"] = "down_blocks.9.conv"; }},
      {"an operator twice", [](json& j) { j["layers"][1]["name"] = j["layers"][0]["name"]; }},
      {"a step too few", [](json& j) { j["layers"][0]["step"].erase(3); }},
      {"a zero too many", [](json& j) { j["layers"][0]["zero"].push_back(1); }},
      {"a step of 0", [](json& j) { j["layers"][0]["step"][3] = 0; }},
      {"a negative step", [](json& j) { j["layers"][0]["step"][3] = -0.5; }},
      {"a step beyond fp32", [](json& j) { j["layers"][0]["step"][3] = 1e300; }},
      {"a step in words", [](json& j) { j["layers"][0]["step"][3] = "0.1"; }},
      {"a step that is missing", [](json& j) { j["layers"][0]["step"][3] = nullptr; }},
      {"a zero beyond a byte", [](json& j) { j["layers"][0]["zero"][3] = 256; }},
      {"a zero far beyond a byte",
       [](json& j) { j["layers"][0]["zero"][3] = std::numeric_limits<uint64_t>::max(); }},
      {"a zero with a fraction", [](json& j) { j["layers"][0]["zero"][3] = 1.5; }},
      {"a negative error", [](json& j) { j["layers"][0]["error"] = -1; }},
      {"errors of another type",
       [](json& j) {
         j["errors"] = {{"first_t", 0}};
       }},
  };
  for (const Damage& damage : all) {
    json j = to_json(example());
    damage.make(j);
    EXPECT_THROW(calibration_from_json(j, network(), "file"), Error) << damage.what;
  }
}

TEST(Calibration, IsPartOfTheModelsDescription) {
  ModelSpec spec;
  spec.network = network();
  EXPECT_FALSE(to_json(spec).contains("int8"));
  spec.int8 = example();
  const ModelSpec back = spec_from_json(json::parse(to_json(spec).dump()), "file");
  ASSERT_TRUE(back.int8.has_value());
  EXPECT_EQ(back.int8->layers.size(), 2U);
}

}  // namespace
}  // namespace langevin
