// The autoencoder as the cost interpreter sees it: its published size, the peer's names, latent sizes, and
// configurations that are refused.
#include "langevin/nn/autoencoder_kl.h"

#include <gtest/gtest.h>

#include <set>

#include "langevin/nn/network.h"

namespace langevin::nn {
namespace {

using nlohmann::json;

json small() {
  return {{"_class_name", "AutoencoderKL"},
          {"block_out_channels", {16, 32}},
          {"down_block_types", {"DownEncoderBlock2D", "DownEncoderBlock2D"}},
          {"up_block_types", {"UpDecoderBlock2D", "UpDecoderBlock2D"}},
          {"norm_num_groups", 8}};
}

json with(json config, const json& changes) {
  config.update(changes);
  return config;
}

std::string message(const json& config) {
  try {
    autoencoder_kl_config_from_json(config, "config.json");
  } catch (const Error& e) {
    return e.what();
  }
  return "accepted";
}

std::set<std::string> names(const json& config) {
  const CostInterpreter cost = cost_of(autoencoder_kl_config_from_json(config, "test"));
  std::set<std::string> all;
  for (const auto& p : cost.parameters()) EXPECT_TRUE(all.insert(p.name).second) << p.name;
  return all;
}

TEST(AutoencoderKL, HasThePublishedSize) {  // of Stable Diffusion
  AutoencoderKLConfig c;
  c.block_out_channels = {128, 256, 512, 512};
  c.down_block_types.assign(4, "DownEncoderBlock2D");
  c.up_block_types.assign(4, "UpDecoderBlock2D");
  c.layers_per_block = 2;
  EXPECT_EQ(cost_of(validated(c)).parameter_count(), 83'653'863);
  EXPECT_EQ(latent_shape(c, {1, 3, 512, 768}), (Shape{1, 4, 64, 96}));
}

TEST(AutoencoderKL, HasThePeersNamesAsFarAsItsFlagsSay) {
  const std::set<std::string> all = names(small());
  for (const char* name :
       {"encoder.conv_in.weight", "encoder.down_blocks.0.downsamplers.0.conv.bias",
        "encoder.mid_block.attentions.0.to_out.0.weight", "quant_conv.weight", "post_quant_conv.bias",
        "decoder.up_blocks.1.resnets.0.conv_shortcut.weight", "decoder.conv_norm_out.weight"})
    EXPECT_EQ(all.count(name), 1U) << name;
  for (const std::string& name : all) EXPECT_EQ(name.find("time_emb_proj"), std::string::npos) << name;
  EXPECT_EQ(names(with(small(), {{"use_quant_conv", false}})).count("quant_conv.weight"), 0U);
  EXPECT_EQ(names(with(small(), {{"use_post_quant_conv", false}})).count("post_quant_conv.weight"), 0U);
  EXPECT_EQ(names(with(small(), {{"mid_block_add_attention", false}}))
                .count("decoder.mid_block.attentions.0.to_q.weight"),
            0U);
}

TEST(AutoencoderKL, LatentsOfOddPicturesAreRoundedDown) {
  const auto c = autoencoder_kl_config_from_json(small(), "test");
  CostInterpreter cost;
  const auto z = autoencoder_kl_encode(cost, c, Shape{2, 3, 21, 34});
  EXPECT_EQ(z.mean, (Shape{2, 4, 10, 17}));
  EXPECT_EQ(z.logvar, z.mean);
  EXPECT_EQ(latent_shape(c, {2, 3, 21, 34}), z.mean);
  CostInterpreter back;
  EXPECT_EQ(autoencoder_kl_decode(back, c, z.mean), (Shape{2, 3, 20, 34}));
  EXPECT_THROW(autoencoder_kl_encode(cost, c, Shape{2, 4, 21, 34}), Error);
  EXPECT_THROW(autoencoder_kl_decode(cost, c, Shape{2, 3, 8, 8}), Error);
}

TEST(AutoencoderKL, ConfigurationSurvivesJson) {
  for (const json& changes :
       {json::object(), json{{"shift_factor", 0.1}, {"scaling_factor", 0.36}, {"sample_size", {24, 32}}},
        json{{"latents_mean", {0.0, 0.1, 0.2, 0.3}}, {"latents_std", {1, 1, 1, 2}}, {"act_fn", "gelu"}},
        json{{"use_quant_conv", false}, {"force_upcast", false}, {"mid_block_add_attention", false}}}) {
    const json written =
        to_json(NetworkConfig(autoencoder_kl_config_from_json(with(small(), changes), "test")));
    EXPECT_EQ(to_json(network_from_json(written, "test")), written);
  }
}

TEST(AutoencoderKL, RefusesByNameWhatItDoesNotHonour) {
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, json>>{{"_class_name", "VQModel"},
                                                 {"act_fn", "tanh"},
                                                 {"norm_num_groups", 5},
                                                 {"latents_mean", {1.0}},
                                                 {"block_out_channels", {16, 32, 64}},
                                                 {"down_block_types", {"DownEncoderBlock2D", "DownBlock2D"}},
                                                 {"layers_per_block", true},
                                                 {"scaling_factor", 0},
                                                 {"sample_size", {8, 8, 8}},
                                                 {"norm_type", "spatial"}}) {
    const std::string text = message(with(small(), {{key, value}}));
    EXPECT_NE(text.find(key == "block_out_channels" ? "down_block_types" : key), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace langevin::nn
