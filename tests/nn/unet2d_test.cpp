// The U-Net as the cost interpreter sees it: published sizes, any image size, and configurations that are
// refused.
#include "langevin/nn/unet2d.h"

#include <gtest/gtest.h>

#include <set>

#include "langevin/nn/cost.h"
#include "langevin/nn/network.h"

namespace langevin::nn {
namespace {

/// google/ddpm-cifar10-32, as its config.json has it.
UNet2DConfig ddpm_cifar10() {
  UNet2DConfig c;
  c.block_out_channels = {128, 256, 256, 256};
  c.down_block_types = {"DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"};
  c.up_block_types = {"UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"};
  c.downsample_padding = 0;
  c.flip_sin_to_cos = false;
  c.freq_shift = 1;
  c.norm_eps = 1e-6;
  c.attention_head_dim = 0;
  return validated(c);
}

UNet2DConfig small(int64_t stages) {
  UNet2DConfig c;
  c.block_out_channels.assign(static_cast<size_t>(stages), 8);
  c.down_block_types.assign(static_cast<size_t>(stages), "DownBlock2D");
  c.up_block_types.assign(static_cast<size_t>(stages), "UpBlock2D");
  c.down_block_types.back() = "AttnDownBlock2D";
  c.norm_num_groups = 0;
  c.in_channels = c.out_channels = 1;
  return validated(c);
}

CostInterpreter cost_of(const UNet2DConfig& c, const Shape& x) {
  CostInterpreter cost;
  const Shape t{x[0]}, labels{x[0]};
  EXPECT_EQ(unet2d(cost, c, Inputs<Shape>{x, t, c.num_class_embeds > 0 ? &labels : nullptr}),
            (Shape{x[0], c.out_channels, x[2], x[3]}));
  return cost;
}

TEST(UNet2D, HasTheSizeOfGooglesCifar10Model) {
  const CostInterpreter cost = cost_of(ddpm_cifar10(), {1, 3, 32, 32});
  EXPECT_EQ(cost.parameter_count(), 35'746'307);  // the published checkpoint
  EXPECT_EQ(cost.parameters().size(), 328U);
  double attention = 0;
  for (const auto& row : cost.rows()) attention += row.op == "attention" ? row.flops : 0;
  EXPECT_NEAR((cost.flops() - attention) * 1e-9, 12.11, 0.01);  // GFLOP an image in convolutions and linears
  // Five blocks of 256 positions and the middle one of 16, 256 channels: q k^T and (weights) v, two flops a
  // multiply-add.
  EXPECT_DOUBLE_EQ(attention, 5 * 4.0 * 256 * 256 * 256 + 4.0 * 16 * 16 * 256);
}

TEST(UNet2D, ParameterNamesAreThePeersAndUnique) {
  const CostInterpreter cost = cost_of(ddpm_cifar10(), {1, 3, 32, 32});
  std::set<std::string> names;
  for (const auto& p : cost.parameters()) names.insert(p.name);
  EXPECT_EQ(names.size(), cost.parameters().size());
  for (const char* name :
       {"conv_in.weight", "time_embedding.linear_1.bias", "down_blocks.0.resnets.1.conv1.weight",
        "down_blocks.0.downsamplers.0.conv.weight", "down_blocks.1.attentions.0.to_out.0.weight",
        "mid_block.attentions.0.group_norm.bias", "up_blocks.2.resnets.2.conv_shortcut.weight",
        "up_blocks.0.upsamplers.0.conv.bias", "conv_norm_out.weight", "conv_out.bias"}) {
    EXPECT_EQ(names.count(name), 1U) << name;
  }
}

TEST(UNet2D, TakesAnyHeightAndWidthFromEight) {
  for (int64_t height : {8, 9, 13, 28, 31}) {
    for (int64_t width : {8, 11, 17, 28, 64}) {
      for (int64_t padding : {0, 1}) {
        UNet2DConfig c = small(4);  // three downsamplings
        c.downsample_padding = padding;
        cost_of(c, {2, 1, height, width});
      }
    }
  }
}

TEST(UNet2D, FlopsScaleWithTheBatchAndParametersDoNot) {
  const UNet2DConfig c = small(2);
  const CostInterpreter one = cost_of(c, {1, 1, 16, 16}), four = cost_of(c, {4, 1, 16, 16});
  EXPECT_DOUBLE_EQ(four.flops(), 4 * one.flops());
  EXPECT_EQ(four.parameter_count(), one.parameter_count());
  double blocks = 0;
  for (const auto& row : one.by_block(2)) blocks += row.flops;
  EXPECT_DOUBLE_EQ(blocks, one.flops());
}

TEST(UNet2D, AutomaticGroupsDivideEveryStage) {
  UNet2DConfig c = small(2);
  c.block_out_channels = {24, 40};
  c.norm_num_groups = 0;
  c.attention_head_dim = 8;
  EXPECT_EQ(validated(c).norm_num_groups, 8);
}

TEST(UNet2D, ConfigurationSurvivesJson) {
  UNet2DConfig c = ddpm_cifar10();
  c.sample_height = 12;
  c.sample_width = 20;
  c.num_class_embeds = 11;
  c.scale_shift = true;
  const nlohmann::json json = to_json(NetworkConfig(c));
  EXPECT_EQ(to_json(network_from_json(json, "test")), json);
}

TEST(UNet2D, RefusesByNameWhatItDoesNotHonour) {
  nlohmann::json json = to_json(ddpm_cifar10());
  const auto message = [](nlohmann::json j) {
    try {
      unet2d_config_from_json(j, "config.json");
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  EXPECT_EQ(message(json), "accepted");
  auto changed = json;
  changed["act_fn"] = "gelu";
  EXPECT_NE(message(changed).find("act_fn"), std::string::npos);
  changed = json;
  changed["resnet_skip"] = 1;
  EXPECT_NE(message(changed).find("resnet_skip"), std::string::npos);
  changed = json;
  changed["block_out_channels"] = {128, 250, 256, 256};
  EXPECT_NE(message(changed).find("norm_num_groups"), std::string::npos);
  changed = json;
  changed["down_block_types"][1] = "AttnDownBlock";
  EXPECT_NE(message(changed).find("did you mean 'AttnDownBlock2D'"), std::string::npos);
  changed = json;
  changed["in_channels"] = "three";
  EXPECT_NE(message(changed).find("in_channels"), std::string::npos);
}

TEST(UNet2D, AClassConditionalNetworkAsksForItsLabels) {
  UNet2DConfig c = small(2);
  c.num_class_embeds = 3;
  CostInterpreter cost;
  const Shape x{1, 1, 8, 8}, t{1};
  EXPECT_THROW(unet2d(cost, c, Inputs<Shape>{x, t, nullptr}), Error);
}

}  // namespace
}  // namespace langevin::nn
