// The U-Net of text-to-image models (Rombach et al. 2112.10752, section 3.3) as diffusers'
// UNet2DConditionModel configures and names it: unet2d whose stages may hold transformers that attend to
// their own positions and to the tokens of `encoder_hidden_states`.
//
//   x (N,C,H,W), t (N), context (N,S,D) -> (N,out,H,W).  As in unet2d, any H and W that survive the stages.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "langevin/nn/blocks2d.h"

namespace langevin::nn {

/// The keys of diffusers' UNet2DConditionModel config.json; lists have one entry a stage (one entry alone: of
/// every stage). validated() names what it cannot honour.
struct UNet2DConditionConfig {
  int64_t sample_height = 64, sample_width = 64;
  int64_t in_channels = 4, out_channels = 4;
  bool center_input_sample = false;
  bool flip_sin_to_cos = true;
  double freq_shift = 0;
  std::vector<std::string> down_block_types{"CrossAttnDownBlock2D", "CrossAttnDownBlock2D",
                                            "CrossAttnDownBlock2D", "DownBlock2D"};
  std::string mid_block_type = "UNetMidBlock2DCrossAttn";  // UNetMidBlock2D: one residual block; "": none
  std::vector<std::string> up_block_types{"UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D",
                                          "CrossAttnUpBlock2D"};
  std::vector<bool> only_cross_attention{false};
  std::vector<int64_t> block_out_channels{320, 640, 1280, 1280};
  std::vector<int64_t> layers_per_block{2};
  int64_t downsample_padding = 1;
  double mid_block_scale_factor = 1;
  double dropout = 0;
  Activation act_fn = Activation::silu;
  int64_t norm_num_groups = 32;
  double norm_eps = 1e-5;
  std::vector<int64_t> cross_attention_dim{1280};
  /// Of each residual block of each stage on the way down, and up in the order of up_block_types; validated()
  /// fills in what is short. An empty way up is the way down reversed.
  std::vector<std::vector<int64_t>> transformer_layers_per_block{{1}};
  std::vector<std::vector<int64_t>> reverse_transformer_layers_per_block;
  int64_t encoder_hid_dim = 0;        // 0: context comes in cross_attention_dim; else it is projected
  std::vector<int64_t> num_heads{8};  // the peer's attention_head_dim
  bool use_linear_projection = false;
  std::string class_embed_type;  // "", timestep, identity, projection, simple_projection
  int64_t num_class_embeds = 0;  // with "": a table of this size, 0: unconditional
  int64_t projection_class_embeddings_input_dim = 0;
  bool class_embeddings_concat = false;
  std::string addition_embed_type;      // "" or text_time
  int64_t addition_time_embed_dim = 0;  // with text_time
  bool upcast_attention = false;        // scores and softmax are fp32 here in any case
  bool scale_shift = false;             // resnet_time_scale_shift = "scale_shift"
  int64_t time_embedding_dim = 0;       // 0: 4 times block_out_channels[0]
  std::optional<Activation> time_embedding_act_fn, timestep_post_act;
  int64_t time_cond_proj_dim = 0;                   // D of timestep_cond, 0: none
  int64_t conv_in_kernel = 3, conv_out_kernel = 3;  // odd
};

/// Fills in lists and checks every field; Error names field and value.
UNet2DConditionConfig validated(UNet2DConditionConfig config);

/// config.json of diffusers, both ways; reading refuses by name every key or value that is not honoured.
nlohmann::json to_json(const UNet2DConditionConfig& config);
UNet2DConditionConfig unet2d_condition_config_from_json(const nlohmann::json& json,
                                                        const std::string& source);

/// Width D of class_vectors (N,D), 0 if the network takes none.
int64_t class_vector_dim(const UNet2DConditionConfig& config);
/// Width D of the context (N,S,D), 0 if no block attends to one.
int64_t context_dim(const UNet2DConditionConfig& config);
/// Width of the timestep embedding.
int64_t time_embed_dim(const UNet2DConditionConfig& config);

/// Transformer2DModel: `layers` blocks over the H W positions, each self-attention, attention to the context
/// and a GEGLU feed-forward; a residual.
struct Transformer2d {
  int64_t groups = 32;
  int64_t heads = 1;
  int64_t layers = 1;
  bool linear_projection = false;
  bool only_cross_attention = false;  // self-attention looks at the context too
};

namespace unet2d_condition_detail {

/// Attention without biases on q, k and v. x (N,L,C), context (N,S,D).
template <class B>
typename B::Value attention(B& b, const char* name, typename B::Value x, typename B::Value context,
                            int64_t heads) {
  const auto scope = b.scope(name);
  const int64_t width = b.shape(x)[2];
  const auto q = b.linear(x, "to_q", {.out = width, .bias = false});
  const auto k = b.linear(context, "to_k", {.out = width, .bias = false});
  const auto v = b.linear(context, "to_v", {.out = width, .bias = false});
  return b.linear(b.attention(q, k, v, heads), "to_out.0", {.out = width});
}

template <class B>
typename B::Value transformer_block(B& b, typename B::Value x, typename B::Value context,
                                    const Transformer2d& c) {
  const auto h = b.layer_norm(x, "norm1", {});
  x = b.add(x, attention(b, "attn1", h, c.only_cross_attention ? context : h, c.heads));
  x = b.add(x, attention(b, "attn2", b.layer_norm(x, "norm2", {}), context, c.heads));
  const int64_t width = b.shape(x)[2];
  const auto wide = b.linear(b.layer_norm(x, "norm3", {}), "ff.net.0.proj", {.out = 8 * width});
  return b.add(x, b.linear(b.geglu(wide), "ff.net.2", {.out = width}));
}

template <class B>
typename B::Value transformer(B& b, typename B::Value x, typename B::Value context, const Transformer2d& c) {
  using V = typename B::Value;
  const Shape s = b.shape(x);
  const int64_t width = c.heads * (s[1] / c.heads);
  V h = b.group_norm(x, "norm", {c.groups, 1e-6, false});
  h = c.linear_projection ? b.linear(b.to_tokens(h), "proj_in", {.out = width})
                          : b.to_tokens(pointwise2d(b, h, "proj_in", width));
  for (int64_t i = 0; i < c.layers; ++i)
    h = in_list(b, "transformer_blocks", i, [&] { return transformer_block(b, h, context, c); });
  if (c.linear_projection) {
    h = b.from_tokens(b.linear(h, "proj_out", {.out = s[1], .init = init_zeros}), s[2], s[3]);
  } else {
    h = pointwise2d(b, b.from_tokens(h, s[2], s[3]), "proj_out", s[1], init_zeros);
  }
  return b.add(x, h);
}

inline ResnetBlock2d resnet_of(const UNet2DConditionConfig& c, int64_t out, double output_scale = 1) {
  return {.out = out,
          .norm = {c.norm_num_groups, c.norm_eps},
          .activation = c.act_fn,
          .scale_shift = c.scale_shift,
          .dropout = c.dropout,
          .output_scale = output_scale};
}

/// A class as what is added to the timestep embedding, (N, dim).
template <class B>
typename B::Value class_embedding(B& b, const UNet2DConditionConfig& c, const Inputs<typename B::Value>& in,
                                  int64_t dim) {
  if (c.class_embed_type.empty()) {
    check(in.class_labels != nullptr, "unet2d_condition",
          "the network is class-conditional: class labels are missing");
    return b.embedding(*in.class_labels, "class_embedding", c.num_class_embeds, dim);
  }
  check(in.class_vectors != nullptr, "unet2d_condition",
        "class labels are missing: class_embed_type = {} needs (N, {}) numbers", c.class_embed_type,
        class_vector_dim(c));
  if (c.class_embed_type == "identity") return *in.class_vectors;
  if (c.class_embed_type == "simple_projection")
    return b.linear(*in.class_vectors, "class_embedding", {.out = dim});
  const auto scope = b.scope("class_embedding");
  if (c.class_embed_type == "projection") return timestep_mlp(b, *in.class_vectors, dim, Activation::silu);
  return timestep_mlp(
      b, b.timestep_embedding(*in.class_vectors, {c.block_out_channels[0], c.flip_sin_to_cos, c.freq_shift}),
      dim, c.act_fn);
}

/// What text_time adds to the timestep embedding, (N, dim): Podell et al. 2307.01952, section 2.2.
template <class B>
typename B::Value text_time(B& b, const UNet2DConditionConfig& c, const Inputs<typename B::Value>& in,
                            int64_t dim) {
  check(in.text_embeds != nullptr && in.time_ids != nullptr, "unet2d_condition",
        "{} is missing: the network needs text_embeds and time_ids",
        in.text_embeds == nullptr ? "text_embeds" : "time_ids");
  const auto ids =
      b.timestep_embedding(*in.time_ids, {c.addition_time_embed_dim, c.flip_sin_to_cos, c.freq_shift});
  const auto features = b.concat(*in.text_embeds, ids);
  const Shape got = b.shape(features);
  check(got[1] == c.projection_class_embeddings_input_dim, "unet2d_condition",
        "text_embeds and time_ids make {} features ({} for each of time_ids), the network needs {}", got[1],
        c.addition_time_embed_dim, c.projection_class_embeddings_input_dim);
  const auto scope = b.scope("add_embedding");
  return timestep_mlp(b, features, dim, Activation::silu);
}

/// The activated embedding of timestep, class and picture size that every residual block projects.
template <class B>
typename B::Value embedding(B& b, const UNet2DConditionConfig& c, const Inputs<typename B::Value>& in) {
  using V = typename B::Value;
  const int64_t features = c.block_out_channels[0], dim = time_embed_dim(c);
  V emb = b.timestep_embedding(in.t, {features, c.flip_sin_to_cos, c.freq_shift});
  {
    const auto scope = b.scope("time_embedding");
    check(in.timestep_cond == nullptr || c.time_cond_proj_dim > 0, "unet2d_condition",
          "the network takes no timestep_cond");
    if (in.timestep_cond != nullptr)
      emb = b.add(emb, b.linear(*in.timestep_cond, "cond_proj", {.out = features, .bias = false}));
    emb = timestep_mlp(b, emb, dim, c.act_fn);
    if (c.timestep_post_act) emb = activate(b, *c.timestep_post_act, emb);
  }
  if (!c.class_embed_type.empty() || c.num_class_embeds > 0) {
    const V of_class = class_embedding(b, c, in, dim);
    emb = c.class_embeddings_concat ? b.concat(emb, of_class) : b.add(emb, of_class);
  }
  if (c.addition_embed_type == "text_time") emb = b.add(emb, text_time(b, c, in, dim));
  if (c.time_embedding_act_fn) emb = activate(b, *c.time_embedding_act_fn, emb);
  return activate(b, c.act_fn, emb);
}

/// The tokens that the transformers attend to; null if none does.
template <class B>
std::optional<typename B::Value> context(B& b, const UNet2DConditionConfig& c,
                                         const Inputs<typename B::Value>& in) {
  const int64_t width = context_dim(c);
  if (width == 0) {
    check(in.context == nullptr, "unet2d_condition", "no block attends to encoder_hidden_states");
    return std::nullopt;
  }
  check(in.context != nullptr, "unet2d_condition",
        "encoder_hidden_states is missing: the network needs (N, S, {})", width);
  const Shape got = b.shape(*in.context);
  check(got.size() == 3 && got[0] == b.shape(in.x)[0] && got[1] > 0 && got[2] == width, "unet2d_condition",
        "encoder_hidden_states is {}, the network needs ({}, S, {})", to_string(got), b.shape(in.x)[0],
        width);
  if (c.encoder_hid_dim == 0) return *in.context;
  return b.linear(*in.context, "encoder_hid_proj", {.out = c.cross_attention_dim[0]});
}

/// What the stages share.
template <class B>
struct Stages {
  using V = typename B::Value;
  B& b;
  const UNet2DConditionConfig& c;
  V temb;
  std::optional<V> context;

  V resnet(V x, size_t index, int64_t out, double output_scale = 1) {
    return in_list(b, "resnets", index,
                   [&] { return resnet_block2d(b, x, temb, resnet_of(c, out, output_scale)); });
  }
  V attend(V x, size_t index, const Transformer2d& t) {
    return in_list(b, "attentions", index, [&] {
      return block(
          b, [t](B& again, const V& in, const V& tokens) { return transformer(again, in, tokens, t); }, x,
          *context);
    });
  }
  /// Of stage i counted on the way down.
  Transformer2d transformer_of(size_t i, int64_t layers) const {
    return {.groups = c.norm_num_groups,
            .heads = c.num_heads[i],
            .layers = layers,
            .linear_projection = c.use_linear_projection,
            .only_cross_attention = c.only_cross_attention[i]};
  }

  V down(V h, std::vector<V>& skips) {
    const size_t stages = c.block_out_channels.size();
    for (size_t i = 0; i < stages; ++i) {
      const auto outer = b.scope("down_blocks");
      const auto scope = b.scope(std::to_string(i));
      for (size_t j = 0; j < static_cast<size_t>(c.layers_per_block[i]); ++j) {
        h = resnet(h, j, c.block_out_channels[i]);
        if (c.down_block_types[i] == "CrossAttnDownBlock2D")
          h = attend(h, j, transformer_of(i, c.transformer_layers_per_block[i][j]));
        skips.push_back(h);
      }
      if (i + 1 < stages) skips.push_back(h = downsample2d(b, h, c.downsample_padding));
    }
    return h;
  }

  V middle(V h) {
    if (c.mid_block_type.empty()) return h;
    const auto scope = b.scope("mid_block");
    const size_t last = c.block_out_channels.size() - 1;
    const int64_t out = c.block_out_channels[last];
    h = resnet(h, 0, out, c.mid_block_scale_factor);
    if (c.mid_block_type != "UNetMidBlock2DCrossAttn") return h;
    Transformer2d t = transformer_of(last, c.transformer_layers_per_block[last][0]);
    t.only_cross_attention = false;  // the peer's middle knows no such option
    return resnet(attend(h, 0, t), 1, out, c.mid_block_scale_factor);
  }

  V up(V h, std::vector<V>& skips) {
    const size_t stages = c.block_out_channels.size();
    for (size_t i = 0; i < stages; ++i) {
      const auto outer = b.scope("up_blocks");
      const auto scope = b.scope(std::to_string(i));
      const size_t stage = stages - 1 - i;
      for (size_t j = 0; j <= static_cast<size_t>(c.layers_per_block[stage]); ++j) {
        h = resnet(b.concat(h, skips.back()), j, c.block_out_channels[stage]);
        skips.pop_back();
        if (c.up_block_types[i] == "CrossAttnUpBlock2D")
          h = attend(h, j, transformer_of(stage, c.reverse_transformer_layers_per_block[i][j]));
      }
      if (i + 1 < stages) {
        const Shape next = b.shape(skips.back());
        h = upsample2d(b, h, next[2], next[3]);
      }
    }
    return h;
  }
};

inline Conv2d same_size(int64_t out, int64_t kernel, Init init = init_default) {
  return {.out = out, .kernel = kernel, .pad_before = kernel / 2, .pad_after = kernel / 2, .init = init};
}

}  // namespace unet2d_condition_detail

/// The network. `config` must be validated.
template <class B>
typename B::Value unet2d_condition(B& b, const UNet2DConditionConfig& c,
                                   const Inputs<typename B::Value>& in) {
  using V = typename B::Value;
  using unet2d_condition_detail::same_size;
  const V temb = unet2d_condition_detail::embedding(b, c, in);
  unet2d_condition_detail::Stages<B> stages{b, c, temb, unet2d_condition_detail::context(b, c, in)};
  V h = b.conv2d(c.center_input_sample ? b.affine(in.x, 2.0, -1.0) : in.x, "conv_in",
                 same_size(c.block_out_channels[0], c.conv_in_kernel));
  std::vector<V> skips{h};
  h = stages.up(stages.middle(stages.down(h, skips)), skips);
  h = norm_activation(b, h, "conv_norm_out", {c.norm_num_groups, c.norm_eps}, c.act_fn);
  return b.conv2d(h, "conv_out", same_size(c.out_channels, c.conv_out_kernel, init_zeros));
}

}  // namespace langevin::nn
