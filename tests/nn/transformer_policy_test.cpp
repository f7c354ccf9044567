// The transformer of policies as the cost interpreter sees it: its size, the peer's names, and configurations
// that are refused.
#include "langevin/nn/transformer_policy.h"

#include <gtest/gtest.h>

#include <set>

#include "langevin/nn/network.h"

namespace langevin::nn {
namespace {

using nlohmann::json;

/// PushT, low-dimensional, as the authors configure it.
json pusht() {
  return {{"input_dim", 2},      {"output_dim", 2},     {"horizon", 16},       {"n_obs_steps", 2},
          {"cond_dim", 20},      {"n_layer", 8},        {"n_head", 4},         {"n_emb", 256},
          {"p_drop_emb", 0.0},   {"p_drop_attn", 0.01}, {"causal_attn", true}, {"time_as_cond", true},
          {"obs_as_cond", true}, {"n_cond_layers", 0}};
}

json with(json config, const json& changes) {
  config.update(changes);
  return config;
}

std::string message(const json& config) {
  try {
    transformer_policy_config_from_json(config, "config.json");
  } catch (const Error& e) {
    return e.what();
  }
  return "accepted";
}

std::set<std::string> names(const json& config) {
  const CostInterpreter cost = cost_of(transformer_policy_config_from_json(config, "test"));
  std::set<std::string> all;
  for (const auto& p : cost.parameters()) EXPECT_TRUE(all.insert(p.name).second) << p.name;
  return all;
}

TEST(TransformerPolicy, CountsItsParameters) {
  const int64_t e = 256, attention = 4 * e * e + 4 * e, feed_forward = 8 * e * e + 5 * e, norm = 2 * e;
  const int64_t layer = 2 * attention + feed_forward + 3 * norm;
  const int64_t memory = 8 * e * e + 5 * e + 20 * e + e + 3 * e;  // MLP, observations, positions
  const int64_t rest = 2 * e + e + 16 * e + norm + 2 * e + 2;     // actions, positions, last norm, head
  EXPECT_EQ(cost_of(transformer_policy_config_from_json(pusht(), "test")).parameter_count(),
            8 * layer + memory + rest);
}

TEST(TransformerPolicy, UsesThePeersNames) {
  std::set<std::string> all = names(pusht());
  for (const char* name :
       {"pos_emb", "cond_pos_emb", "encoder.0.weight", "encoder.2.bias",
        "decoder.layers.7.self_attn.in_proj_weight", "decoder.layers.0.multihead_attn.in_proj_bias",
        "decoder.layers.0.multihead_attn.out_proj.weight", "decoder.layers.0.linear1.weight",
        "decoder.layers.0.norm3.bias", "ln_f.weight", "head.bias"})
    EXPECT_EQ(all.count(name), 1U) << name;
  all = names(with(pusht(), {{"n_cond_layers", 2}}));
  EXPECT_EQ(all.count("encoder.layers.1.self_attn.in_proj_weight"), 1U);
  EXPECT_EQ(all.count("encoder.0.weight"), 0U);
  all = names(with(pusht(), {{"cond_dim", 0}, {"obs_as_cond", false}, {"time_as_cond", false}}));
  EXPECT_EQ(all.count("encoder.layers.7.linear2.weight"), 1U);
  EXPECT_EQ(all.count("cond_pos_emb"), 0U);
}

TEST(TransformerPolicy, AMissingNumberOfObservationsIsTheHorizon) {
  const auto c = transformer_policy_config_from_json(with(pusht(), {{"n_obs_steps", nullptr}}), "test");
  EXPECT_EQ(c.n_obs_steps, 16);
  EXPECT_EQ(conditions(c, 3).context->shape, (Shape{3, 16, 20}));
}

TEST(TransformerPolicy, ConfigurationSurvivesJson) {
  const json written = to_json(NetworkConfig(transformer_policy_config_from_json(pusht(), "test")));
  EXPECT_EQ(to_json(network_from_json(written, "test")), written);
}

TEST(TransformerPolicy, RefusesByNameWhatItDoesNotHonour) {
  for (const auto& [key, value] : std::vector<std::pair<std::string, json>>{{"n_head", 3},
                                                                            {"n_emb", 15},
                                                                            {"horizon", nullptr},
                                                                            {"horizon", 0},
                                                                            {"p_drop_attn", 1.0},
                                                                            {"time_as_cond", false},
                                                                            {"n_layers", 8},
                                                                            {"causal_attn", 1},
                                                                            {"cond_dim", 0}}) {
    EXPECT_NE(message(with(pusht(), {{key, value}})).find(key), std::string::npos)
        << message(with(pusht(), {{key, value}}));
  }
}

TEST(TransformerPolicy, SaysWhatItTakes) {
  const Condition cond = *conditions(transformer_policy_config_from_json(pusht(), "test"), 3).context;
  EXPECT_EQ(cond.key, "cond");
  EXPECT_EQ(wanted_shape(cond), "(3, up to 2, 20)");
  EXPECT_TRUE(fits(cond, {3, 1, 20}));
  for (const Shape& wrong :
       {Shape{3, 3, 20}, Shape{3, 0, 20}, Shape{2, 2, 20}, Shape{3, 2, 21}, Shape{3, 20}})
    EXPECT_FALSE(fits(cond, wrong)) << to_string(wrong);
}

}  // namespace
}  // namespace langevin::nn
