// The U-Net of policies as the cost interpreter sees it: the published size, the peer's names, which horizons
// fit, and configurations that are refused.
#include "langevin/nn/unet1d.h"

#include <gtest/gtest.h>

#include <set>

#include "langevin/nn/network.h"

namespace langevin::nn {
namespace {

/// PushT, low-dimensional: two observations of 20 numbers.
UNet1DConfig pusht() {
  UNet1DConfig c;
  c.global_cond_dim = 40;
  c.kernel_size = 5;
  c.cond_predict_scale = true;
  return validated(c);
}

UNet1DConfig tiny() {
  UNet1DConfig c;
  c.input_dim = 3;
  c.horizon = 8;
  c.diffusion_step_embed_dim = 16;
  c.down_dims = {8, 16, 16};
  c.n_groups = 4;
  return validated(c);
}

std::string message(const nlohmann::json& json) {
  try {
    network_from_json(json, "config.json");
  } catch (const Error& e) {
    return e.what();
  }
  return "accepted";
}

std::string call_message(const UNet1DConfig& c, const Shape& x, const Shape* global_cond) {
  CostInterpreter cost;
  const Shape t{x[0]};
  try {
    unet1d(cost, c, {x, t, nullptr, global_cond});
  } catch (const Error& e) {
    return e.what();
  }
  return "accepted";
}

TEST(UNet1D, HasThePublishedSize) {
  EXPECT_EQ(cost_of(pusht()).parameter_count(), 65'783'298);  // "65.8M"
  UNet1DConfig c = pusht();
  c.cond_predict_scale = false;  // every block's encoder loses one output a channel
  int64_t channels = 0;
  for (int64_t ch : c.down_dims) channels += 2 * ch;
  channels += 2 * 1024 + 2 * 512 + 2 * 256;  // middle and up
  EXPECT_EQ(cost_of(pusht()).parameter_count() - cost_of(c).parameter_count(), channels * (256 + 40 + 1));
}

TEST(UNet1D, ParameterNamesAreThePeersAndUnique) {
  const CostInterpreter cost = cost_of(pusht());
  std::set<std::string> names;
  for (const auto& p : cost.parameters()) names.insert(p.name);
  EXPECT_EQ(names.size(), cost.parameters().size());
  for (const char* name :
       {"diffusion_step_encoder.1.weight", "diffusion_step_encoder.3.bias",
        "down_modules.0.0.blocks.0.block.0.weight", "down_modules.0.0.blocks.1.block.1.bias",
        "down_modules.2.1.cond_encoder.1.weight", "down_modules.1.2.conv.weight",
        "down_modules.0.0.residual_conv.weight", "mid_modules.1.blocks.0.block.1.weight",
        "up_modules.1.0.residual_conv.bias", "up_modules.0.2.conv.weight", "final_conv.0.block.0.weight",
        "final_conv.1.bias"}) {
    EXPECT_EQ(names.count(name), 1U) << name;
  }
  EXPECT_EQ(names.count("down_modules.2.2.conv.weight"), 0U);        // the last stage stays
  EXPECT_EQ(names.count("mid_modules.0.residual_conv.weight"), 0U);  // as many channels as before
  EXPECT_EQ(names.count("up_modules.2.0.blocks.0.block.0.weight"), 0U);
}

TEST(UNet1D, TransposedConvolutionsAndFlopsAreCounted) {
  const CostInterpreter one = cost_of(tiny()), four = cost_of(tiny(), 4);
  EXPECT_DOUBLE_EQ(four.flops(), 4 * one.flops());
  for (const auto& row : one.rows()) {
    if (row.path != "up_modules.0.2.conv") continue;
    EXPECT_EQ(row.output, (Shape{1, 16, 4}));
    EXPECT_EQ(row.parameters, 16 * 16 * 4 + 16);
    EXPECT_DOUBLE_EQ(row.flops, 2.0 * 2 * 16 * 16 * 4);  // two inputs meet four taps of 16 x 16 channels
  }
  for (const auto& p : one.parameters()) {
    if (p.name == "up_modules.1.2.conv.weight") {
      EXPECT_EQ(p.shape, (Shape{8, 8, 4}));
    }
  }
}

TEST(UNet1D, EveryMultipleOfItsStridesFitsAndNothingElse) {
  for (int64_t horizon = 1; horizon <= 24; ++horizon) {
    CostInterpreter cost;
    const Shape x{2, 3, horizon}, t{2};
    if (horizon % 4 == 0) {
      EXPECT_EQ(unet1d(cost, tiny(), {x, t}), x);
    } else {
      EXPECT_NE(call_message(tiny(), x, nullptr).find("give a multiple of 4"), std::string::npos) << horizon;
    }
  }
}

TEST(UNet1D, TheConditionIsAskedForAndChecked) {
  const Shape x{2, 2, 16}, good{2, 40}, narrow{2, 39}, short_batch{1, 40};
  EXPECT_EQ(call_message(pusht(), x, &good), "accepted");
  EXPECT_NE(call_message(pusht(), x, nullptr).find("global_cond is missing"), std::string::npos);
  EXPECT_NE(call_message(pusht(), x, &narrow).find("(2, 39)"), std::string::npos);
  EXPECT_NE(call_message(pusht(), x, &short_batch).find("(2, 40)"), std::string::npos);
  EXPECT_NE(call_message(tiny(), {2, 3, 8}, &good).find("takes no global_cond"), std::string::npos);
  EXPECT_NE(call_message(tiny(), {2, 2, 8}, nullptr).find("(N, 3, L)"), std::string::npos);
}

TEST(UNet1D, ConfigurationSurvivesJson) {
  for (const UNet1DConfig& c : {pusht(), tiny()}) {
    const nlohmann::json json = to_json(NetworkConfig(c));
    EXPECT_EQ(json.at("type"), "unet1d");
    EXPECT_EQ(to_json(network_from_json(json, "test")), json);
    EXPECT_EQ(input_shape(network_from_json(json, "test"), 5), (Shape{5, c.input_dim, c.horizon}));
    EXPECT_EQ(global_cond_dim(network_from_json(json, "test")), c.global_cond_dim);
  }
}

TEST(UNet1D, ThePeersOwnArgumentsAreRead) {
  const auto json = nlohmann::json::parse(R"({"input_dim": 2, "local_cond_dim": null, "global_cond_dim": 6,
      "diffusion_step_embed_dim": 16, "down_dims": [16, 32], "kernel_size": 5, "n_groups": 4,
      "cond_predict_scale": true})");
  EXPECT_EQ(cost_of(unet1d_config_from_json(json, "config.json")).parameter_count(), 68'290);
  const auto defaults = unet1d_config_from_json({{"input_dim", 7}}, "config.json");  // the peer's own
  EXPECT_EQ(defaults.down_dims, (std::vector<int64_t>{256, 512, 1024}));
  EXPECT_EQ(defaults.kernel_size, 3);
  EXPECT_FALSE(defaults.cond_predict_scale);
}

TEST(UNet1D, RefusesByNameWhatItDoesNotHonour) {
  const nlohmann::json json = to_json(NetworkConfig(pusht()));
  EXPECT_EQ(message(json), "accepted");
  const auto with = [&](const char* key, const nlohmann::json& value) {
    nlohmann::json changed = json;
    changed[key] = value;
    return message(changed);
  };
  EXPECT_NE(with("local_cond_dim", 4).find("local_cond_dim = 4"), std::string::npos);
  EXPECT_NE(with("down_dim", 4).find("'down_dim'"), std::string::npos);
  EXPECT_NE(with("kernel_size", 4).find("kernel_size"), std::string::npos);
  EXPECT_NE(with("diffusion_step_embed_dim", 7).find("even"), std::string::npos);
  EXPECT_NE(with("n_groups", 7).find("n_groups = 7"), std::string::npos);
  EXPECT_NE(with("horizon", 18).find("multiple of 4"), std::string::npos);
  EXPECT_NE(with("horizon", "long").find("horizon"), std::string::npos);
  EXPECT_NE(with("down_dims", nlohmann::json::array()).find("down_dims"), std::string::npos);
  EXPECT_NE(with("down_dims", {-8}).find("down_dims"), std::string::npos);
  EXPECT_NE(with("type", "unet1").find("did you mean 'unet1d'"), std::string::npos);
  nlohmann::json groups = json;
  groups["down_dims"] = {12, 24};
  groups["n_groups"] = 4;
  EXPECT_NE(message(groups).find("final_conv"), std::string::npos);
  nlohmann::json without = json;
  without.erase("input_dim");
  EXPECT_NE(message(without).find("input_dim is missing"), std::string::npos);
}

}  // namespace
}  // namespace langevin::nn
