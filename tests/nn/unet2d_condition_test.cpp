// The U-Net of text-to-image models as the cost interpreter sees it: published sizes, the peer's names, sizes
// of pictures, and configurations that are refused.
#include "langevin/nn/unet2d_condition.h"

#include <gtest/gtest.h>

#include <set>

#include "langevin/nn/network.h"

namespace langevin::nn {
namespace {

using nlohmann::json;

/// The config.json of Stable Diffusion 1.5's U-Net, where it differs from the defaults.
UNet2DConditionConfig stable_diffusion() {
  return unet2d_condition_config_from_json(
      {{"_class_name", "UNet2DConditionModel"}, {"cross_attention_dim", 768}}, "test");
}

json small() {
  return {{"_class_name", "UNet2DConditionModel"},
          {"sample_size", 16},
          {"block_out_channels", {16, 32}},
          {"down_block_types", {"CrossAttnDownBlock2D", "DownBlock2D"}},
          {"up_block_types", {"UpBlock2D", "CrossAttnUpBlock2D"}},
          {"layers_per_block", 1},
          {"norm_num_groups", 8},
          {"cross_attention_dim", 24}};
}

json with(json config, const json& changes) {
  config.update(changes);
  return config;
}

std::string message(const json& config) {
  try {
    unet2d_condition_config_from_json(config, "config.json");
  } catch (const Error& e) {
    return e.what();
  }
  return "accepted";
}

std::set<std::string> names(const json& config) {
  const CostInterpreter cost = cost_of(unet2d_condition_config_from_json(config, "test"));
  std::set<std::string> all;
  for (const auto& p : cost.parameters()) EXPECT_TRUE(all.insert(p.name).second) << p.name;
  return all;
}

TEST(UNet2DCondition, HasThePublishedSizes) {
  EXPECT_EQ(cost_of(stable_diffusion()).parameter_count(), 859'520'964);
  UNet2DConditionConfig two = stable_diffusion();  // Stable Diffusion 2.1
  two.num_heads = {5, 10, 20, 20};
  two.cross_attention_dim = {1024};
  two.use_linear_projection = true;
  EXPECT_EQ(cost_of(validated(two)).parameter_count(), 865'910'724);
  const json xl{{"_class_name", "UNet2DConditionModel"},
                {"sample_size", 128},
                {"block_out_channels", {320, 640, 1280}},
                {"down_block_types", {"DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"}},
                {"up_block_types", {"CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"}},
                {"transformer_layers_per_block", {1, 2, 10}},
                {"attention_head_dim", {5, 10, 20}},
                {"cross_attention_dim", 2048},
                {"use_linear_projection", true},
                {"addition_embed_type", "text_time"},
                {"addition_time_embed_dim", 256},
                {"projection_class_embeddings_input_dim", 2816}};
  EXPECT_EQ(cost_of(unet2d_condition_config_from_json(xl, "test")).parameter_count(), 2'567'463'684);
}

TEST(UNet2DCondition, UsesThePeersNames) {
  const std::set<std::string> all = names(small());
  for (const char* name :
       {"conv_in.weight", "time_embedding.linear_1.bias", "down_blocks.0.attentions.0.norm.weight",
        "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight",
        "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0.bias",
        "mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj.weight", "mid_block.resnets.1.conv2.bias",
        "up_blocks.1.attentions.1.transformer_blocks.0.norm3.bias", "up_blocks.0.upsamplers.0.conv.weight"})
    EXPECT_EQ(all.count(name), 1U) << name;
  EXPECT_EQ(all.count("down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.bias"), 0U);
  EXPECT_EQ(all.count("down_blocks.1.attentions.0.norm.weight"), 0U);
  EXPECT_EQ(names(with(small(), {{"mid_block_type", nullptr}})).count("mid_block.resnets.0.conv1.weight"),
            0U);
  EXPECT_EQ(names(with(small(), {{"encoder_hid_dim", 12}})).count("encoder_hid_proj.weight"), 1U);
  EXPECT_EQ(names(with(small(), {{"time_cond_proj_dim", 9}})).count("time_embedding.cond_proj.weight"), 1U);
  EXPECT_EQ(names(with(small(), {{"num_class_embeds", 3}})).count("class_embedding.weight"), 1U);
  EXPECT_EQ(names(with(small(), {{"class_embed_type", "timestep"}})).count("class_embedding.linear_2.bias"),
            1U);
}

TEST(UNet2DCondition, RunsAnySizeThatSurvivesItsStages) {
  const auto c = unet2d_condition_config_from_json(small(), "test");
  for (const Shape& x : {Shape{1, 4, 2, 2}, Shape{2, 4, 15, 7}, Shape{1, 4, 8, 33}}) {
    CostInterpreter cost;
    const Shape t{x[0]}, tokens{x[0], 3, 24};
    EXPECT_EQ(unet2d_condition(cost, c, {.x = x, .t = t, .context = &tokens}), x);
  }
}

TEST(UNet2DCondition, NumbersOfTransformerLayersMayDifferWithinAStage) {
  // Kim et al. 2305.15798 distil such networks; the way up then has numbers of its own.
  const json config = with(small(), {{"layers_per_block", 2},
                                     {"transformer_layers_per_block", {{1, 2}, 3}},
                                     {"reverse_transformer_layers_per_block", {1, {2, 0, 1}}}});
  const std::set<std::string> all = names(config);
  EXPECT_EQ(all.count("down_blocks.0.attentions.0.transformer_blocks.1.norm1.weight"), 0U);
  EXPECT_EQ(all.count("down_blocks.0.attentions.1.transformer_blocks.1.norm1.weight"), 1U);
  EXPECT_EQ(all.count("mid_block.attentions.0.transformer_blocks.2.norm1.weight"), 1U);
  EXPECT_EQ(all.count("up_blocks.1.attentions.0.transformer_blocks.1.norm1.weight"), 1U);
  EXPECT_EQ(all.count("up_blocks.1.attentions.1.transformer_blocks.0.norm1.weight"), 0U);
  const NetworkConfig read = unet2d_condition_config_from_json(config, "test");
  EXPECT_EQ(to_json(network_from_json(to_json(read), "test")), to_json(read));
  EXPECT_NE(message(with(config, {{"reverse_transformer_layers_per_block", nullptr}}))
                .find("give reverse_transformer_layers_per_block"),
            std::string::npos);
}

TEST(UNet2DCondition, ConfigurationSurvivesJson) {
  for (const json& changes :
       {json::object(), json{{"attention_head_dim", {2, 4}}, {"only_cross_attention", {true, false}}},
        json{{"sample_size", {8, 24}}, {"act_fn", "gelu"}, {"mid_block_type", nullptr}},
        json{{"class_embed_type", "projection"}, {"projection_class_embeddings_input_dim", 10}},
        json{
            {"encoder_hid_dim", 12}, {"encoder_hid_dim_type", "text_proj"}, {"timestep_post_act", "mish"}}}) {
    const json written =
        to_json(NetworkConfig(unet2d_condition_config_from_json(with(small(), changes), "test")));
    EXPECT_EQ(to_json(network_from_json(written, "test")), written);
  }
  // What the peer writes of its own accord is taken.
  EXPECT_EQ(message(with(small(), {{"num_attention_heads", nullptr},
                                   {"addition_embed_type_num_heads", 64},
                                   {"attention_type", "default"},
                                   {"resnet_out_scale_factor", 1.0},
                                   {"freq_shift", 0},
                                   {"_diffusers_version", "0.21.0"}})),
            "accepted");
}

TEST(UNet2DCondition, RefusesByNameWhatItDoesNotHonour) {
  for (const auto& [key, value] : std::vector<std::pair<std::string, json>>{
           {"num_attention_heads", 4},
           {"dual_cross_attention", true},
           {"attention_type", "gated"},
           {"time_embedding_type", "fourier"},
           {"resnet_skip_time_act", true},
           {"resnet_out_scale_factor", 2.0},
           {"cross_attention_norm", "layer_norm"},
           {"mid_block_only_cross_attention", true},
           {"encoder_hid_dim_type", "image_proj"},
           {"addition_embed_type", "text"},
           {"class_embed_type", "words"},
           {"class_embeddings_concat", true},
           {"norm_num_groups", nullptr},
           {"cross_attention_dim", nullptr},
           {"cross_attention_dim", {24, 32}},
           {"layers_per_block", {1, 1, 1}},
           {"layers_per_block", 1.5},
           {"attention_head_dim", 0},
           {"attention_head_dim", 64},
           {"conv_in_kernel", 2},
           {"down_block_types", {"CrossAttnDownBlock2D", "ResnetDownsampleBlock2D"}},
           {"mid_block_type", "UNetMidBlock2DSimpleCrossAttn"},
           {"act_fn", "tanh"},
           {"resnet_time_scale_shift", "ada_group"},
           {"transformer_layers_per_block", "one"},
           {"time_embeding_dim", 3}}) {
    EXPECT_NE(message(with(small(), {{key, value}})).find(key), std::string::npos)
        << message(with(small(), {{key, value}}));
  }
  EXPECT_NE(message(with(small(), {{"up_block_types", {"UpBlock2D", "CrossAttnUpBlock"}}}))
                .find("did you mean 'CrossAttnUpBlock2D'"),
            std::string::npos);
}

TEST(UNet2DCondition, NamesTheConditionThatIsMissingOrDoesNotFit) {
  const auto error = [](const json& changes, Shape tokens) {
    CostInterpreter cost;
    const Shape x{2, 4, 8, 8}, t{2};
    try {
      unet2d_condition(cost, unet2d_condition_config_from_json(with(small(), changes), "test"),
                       {.x = x, .t = t, .context = tokens.empty() ? nullptr : &tokens});
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  const json none = json::object();
  EXPECT_EQ(error(none, {2, 3, 24}), "");
  EXPECT_NE(error(none, {}).find("encoder_hidden_states is missing"), std::string::npos);
  EXPECT_NE(error(none, {2, 3, 25}).find("(2, 3, 25)"), std::string::npos);
  EXPECT_NE(error(none, {1, 3, 24}).find("(2, S, 24)"), std::string::npos);
  EXPECT_NE(error({{"num_class_embeds", 4}}, {2, 3, 24}).find("class labels are missing"), std::string::npos);
}

}  // namespace
}  // namespace langevin::nn
