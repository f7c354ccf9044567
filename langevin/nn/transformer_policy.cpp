#include "langevin/nn/transformer_policy.h"

#include "langevin/nn/config_reader.h"

namespace langevin::nn {
namespace {

using nlohmann::json;

void check_range(const char* field, int64_t value, int64_t lo, int64_t hi) {
  check(value >= lo && value <= hi, "transformer_policy", "{} must be in [{}, {}], got {}", field, lo, hi,
        value);
}

void check_dropout(const char* field, double value) {
  check(value >= 0 && value < 1, "transformer_policy", "{} must be in [0, 1), got {}", field, value);
}

}  // namespace

TransformerPolicyConfig validated(TransformerPolicyConfig c) {
  check_range("input_dim", c.input_dim, 1, 65536);
  check_range("output_dim", c.output_dim, 1, 65536);
  check_range("horizon", c.horizon, 1, 1 << 16);
  check_range("n_obs_steps", c.n_obs_steps, 0, 1 << 16);
  check_range("cond_dim", c.cond_dim, 0, 1 << 20);
  check_range("n_layer", c.n_layer, 1, 1024);
  check_range("n_head", c.n_head, 1, 65536);
  check_range("n_emb", c.n_emb, 4, 65536);
  check_range("n_cond_layers", c.n_cond_layers, 0, 1024);
  check_dropout("p_drop_emb", c.p_drop_emb);
  check_dropout("p_drop_attn", c.p_drop_attn);
  check(c.n_emb % 2 == 0, "transformer_policy", "n_emb must be even (sine and cosine halves), got {}",
        c.n_emb);
  check(c.n_emb % c.n_head == 0, "transformer_policy", "n_head = {} does not divide n_emb = {}", c.n_head,
        c.n_emb);
  check(c.time_as_cond || c.cond_dim == 0, "transformer_policy",
        "time_as_cond = false takes no observations, but cond_dim = {}", c.cond_dim);
  if (c.n_obs_steps == 0) c.n_obs_steps = c.horizon;
  return c;
}

json to_json(const TransformerPolicyConfig& c) {
  return {{"input_dim", c.input_dim},
          {"output_dim", c.output_dim},
          {"horizon", c.horizon},
          {"n_obs_steps", c.n_obs_steps},
          {"cond_dim", c.cond_dim},
          {"n_layer", c.n_layer},
          {"n_head", c.n_head},
          {"n_emb", c.n_emb},
          {"p_drop_emb", c.p_drop_emb},
          {"p_drop_attn", c.p_drop_attn},
          {"causal_attn", c.causal_attn},
          {"time_as_cond", c.time_as_cond},
          {"obs_as_cond", c.cond_dim > 0},
          {"n_cond_layers", c.n_cond_layers}};
}

TransformerPolicyConfig transformer_policy_config_from_json(const json& object, const std::string& source) {
  TransformerPolicyConfig c;
  ConfigReader r(object, source);
  for (const char* key : {"input_dim", "output_dim", "horizon"})
    check(object.contains(key) && !object.at(key).is_null(), source, "{} is missing", key);
  r.get("input_dim", c.input_dim);
  r.get("output_dim", c.output_dim);
  r.get("horizon", c.horizon);
  r.get("n_obs_steps", c.n_obs_steps);
  r.get("cond_dim", c.cond_dim);
  r.get("n_layer", c.n_layer);
  r.get("n_head", c.n_head);
  r.get("n_emb", c.n_emb);
  r.get("p_drop_emb", c.p_drop_emb);
  r.get("p_drop_attn", c.p_drop_attn);
  r.get("causal_attn", c.causal_attn);
  r.get("time_as_cond", c.time_as_cond);
  bool asked = c.cond_dim > 0;
  r.get("obs_as_cond", asked);  // the peer looks at cond_dim alone
  check(!asked || c.cond_dim > 0, source, "obs_as_cond = true needs cond_dim, the numbers of an observation");
  r.get("n_cond_layers", c.n_cond_layers);
  r.finish();
  return validated(c);
}

}  // namespace langevin::nn
