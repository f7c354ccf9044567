// Diffusion Policy's TransformerForDiffusion (Chi et al. 2303.04137, section III-A) as its authors configure
// and name it: a pre-norm transformer whose tokens are the actions of a trajectory.
//
//   x (N,C,L), t (N), context (N,S,D) -> (N,output_dim,L).  L <= horizon, S <= n_obs_steps observations.
//
// A decoder: the memory is a token of the timestep and one an observation, passed through an MLP or, with
// n_cond_layers, an encoder; every layer attends to its actions and to the memory. With causal_attn an action
// sees those before it, and the observations up to its own time. Or (time_as_cond false) an encoder alone,
// over the timestep's token and the actions.
//
// The peer's own interface is (N,L,C), which `langevin forward` takes and gives; here data is (N,C,L).
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "langevin/nn/vocabulary.h"

namespace langevin::nn {

/// The arguments of the peer's constructor. Its obs_as_cond is what cond_dim > 0 says.
struct TransformerPolicyConfig {
  int64_t input_dim = 2;    // C
  int64_t output_dim = 2;   // of the result; equal to input_dim for sampling
  int64_t horizon = 16;     // the longest L
  int64_t n_obs_steps = 0;  // the longest S; 0: the horizon (the peer's None)
  int64_t cond_dim = 0;     // D; 0: no observations
  int64_t n_layer = 12;
  int64_t n_head = 12;
  int64_t n_emb = 768;  // even, 4 or more
  double p_drop_emb = 0.1, p_drop_attn = 0.1;
  bool causal_attn = false;
  bool time_as_cond = true;   // false: the encoder alone, and then without observations
  int64_t n_cond_layers = 0;  // of the encoder of the memory; 0: an MLP
};

/// Resolves n_obs_steps and checks every field; Error names field and value.
TransformerPolicyConfig validated(TransformerPolicyConfig config);

/// The peer's arguments by name, both ways; reading refuses every other key by name.
nlohmann::json to_json(const TransformerPolicyConfig& config);
TransformerPolicyConfig transformer_policy_config_from_json(const nlohmann::json& json,
                                                            const std::string& source);

namespace transformer_policy_detail {

inline constexpr Init init_normal{Init::Kind::normal, 0.02};

template <class B>
struct Parts {
  using V = typename B::Value;
  B& b;
  const TransformerPolicyConfig& c;

  V linear(V x, const char* name, int64_t out) {
    return b.linear(x, name, {.out = out, .init = init_normal});
  }

  V dropout(V x, double p) { return p > 0 ? b.dropout(x, p) : x; }

  /// torch's MultiheadAttention of x (N,L,E) to `memory` (N,M,E).
  V attention(V x, V memory, const char* name, std::optional<int64_t> ahead) {
    const auto scope = b.scope(name);
    const int64_t e = c.n_emb;
    const auto part = [&](V tokens, int64_t index) {
      return b.packed_linear(tokens, "in_proj",
                             {.out = e, .first = index * e, .total = 3 * e, .init = init_normal});
    };
    const V q = part(x, 0), k = part(memory, 1), v = part(memory, 2);
    const V y = b.masked_attention(q, k, v, {.heads = c.n_head, .ahead = ahead, .dropout = c.p_drop_attn});
    return dropout(linear(y, "out_proj", e), c.p_drop_attn);
  }

  V feed_forward(V x) {
    const V h = dropout(b.gelu(linear(x, "linear1", 4 * c.n_emb)), c.p_drop_attn);
    return dropout(linear(h, "linear2", c.n_emb), c.p_drop_attn);
  }

  /// torch's TransformerEncoderLayer, norm_first.
  V encoder_layer(V x, std::optional<int64_t> ahead) {
    const V h = b.layer_norm(x, "norm1", {});
    x = b.add(x, attention(h, h, "self_attn", ahead));
    return b.add(x, feed_forward(b.layer_norm(x, "norm2", {})));
  }

  /// torch's TransformerDecoderLayer, norm_first.
  V decoder_layer(V x, V memory, std::optional<int64_t> ahead, std::optional<int64_t> memory_ahead) {
    const V h = b.layer_norm(x, "norm1", {});
    x = b.add(x, attention(h, h, "self_attn", ahead));
    x = b.add(x, attention(b.layer_norm(x, "norm2", {}), memory, "multihead_attn", memory_ahead));
    return b.add(x, feed_forward(b.layer_norm(x, "norm3", {})));
  }

  /// f(x) in the scopes stack.layers.0 to count - 1, one after another.
  template <class F>
  V layers(V x, const char* stack, int64_t count, F&& f) {
    const auto outer = b.scope(stack);
    const auto list = b.scope("layers");
    for (int64_t i = 0; i < count; ++i) {
      const auto scope = b.scope(std::to_string(i));
      x = f(x);
    }
    return x;
  }

  V encoder(V x, int64_t count, std::optional<int64_t> ahead) {
    return layers(x, "encoder", count, [&](V h) { return encoder_layer(h, ahead); });
  }

  /// Tokens of what the actions are conditioned on: (N,1+S,E).
  V memory(V time, const V* observations) {
    V m = time;
    if (observations != nullptr) m = b.concat(m, linear(*observations, "cond_obs_emb", c.n_emb));
    const Init start = observations != nullptr ? init_normal : init_zeros;
    m = b.add_positions(m, "cond_pos_emb",
                        {.count = 1 + (observations != nullptr ? c.n_obs_steps : 0), .init = start});
    m = dropout(m, c.p_drop_emb);
    if (c.n_cond_layers > 0) return encoder(m, c.n_cond_layers, {});
    const auto scope = b.scope("encoder");
    return linear(b.mish(linear(m, "0", 4 * c.n_emb)), "2", c.n_emb);
  }
};

template <class B>
void check_inputs(B& b, const TransformerPolicyConfig& c, const Inputs<typename B::Value>& in) {
  const Shape x = b.shape(in.x);
  check(x.size() == 3 && x[1] == c.input_dim, "transformer_policy",
        "the input is {}, the network needs (N, {}, L)", to_string(x), c.input_dim);
  check(x[2] >= 1 && x[2] <= c.horizon, "transformer_policy", "{} actions do not fit a horizon of {}", x[2],
        c.horizon);
  if (c.cond_dim == 0) {
    check(in.context == nullptr, "transformer_policy", "the network has no observations: it takes no cond");
    return;
  }
  check(in.context != nullptr, "transformer_policy", "cond is missing: the network needs (N, {}, {})",
        c.n_obs_steps, c.cond_dim);
  const Shape s = b.shape(*in.context);
  check(s.size() == 3 && s[0] == x[0] && s[1] >= 1 && s[1] <= c.n_obs_steps && s[2] == c.cond_dim,
        "transformer_policy", "cond is {}, the network needs {}", to_string(s),
        to_string(Shape{x[0], c.n_obs_steps, c.cond_dim}));
}

}  // namespace transformer_policy_detail

/// The network. `config` must be validated.
template <class B>
typename B::Value transformer_policy(B& b, const TransformerPolicyConfig& c,
                                     const Inputs<typename B::Value>& in) {
  using V = typename B::Value;
  transformer_policy_detail::check_inputs(b, c, in);
  transformer_policy_detail::Parts<B> parts{b, c};
  const int64_t length = b.shape(in.x)[2];
  const std::optional<int64_t> causal = c.causal_attn ? std::optional<int64_t>(0) : std::nullopt;

  V time = b.to_tokens(b.timestep_embedding(in.t, {.dim = c.n_emb}));
  V h = parts.linear(b.to_tokens(in.x), "input_emb", c.n_emb);
  if (!c.time_as_cond) {
    h = b.add_positions(b.concat(time, h), "pos_emb", {.count = c.horizon + 1});
    h = parts.encoder(parts.dropout(h, c.p_drop_emb), c.n_layer, causal);
    h = b.slice(h, 1, length);
  } else {
    // Token 0 of the memory is the timestep: an observation's own time is one less than its place there.
    const std::optional<int64_t> memory_ahead =
        c.causal_attn && c.cond_dim > 0 ? std::optional<int64_t>(1) : std::nullopt;
    const V memory = parts.memory(time, in.context);
    h = parts.dropout(b.add_positions(h, "pos_emb", {.count = c.horizon}), c.p_drop_emb);
    h = parts.layers(h, "decoder", c.n_layer,
                     [&](V x) { return parts.decoder_layer(x, memory, causal, memory_ahead); });
  }
  h = b.layer_norm(h, "ln_f", {});
  return b.channels_first(parts.linear(h, "head", c.output_dim));
}

}  // namespace langevin::nn
