// The blocks of diffusers' networks of pictures, under its names: what unet2d, unet2d_condition and
// autoencoder_kl are made of. All take and give (N,C,H,W).
#pragma once

#include <string>

#include "langevin/nn/activation.h"
#include "langevin/nn/vocabulary.h"

namespace langevin::nn {

struct Norm2d {
  int64_t groups = 32;
  double eps = 1e-5;
};

/// ResnetBlock2D: GroupNorm, activation, conv, + timestep, GroupNorm, activation, dropout, conv; a residual.
struct ResnetBlock2d {
  int64_t out = 0;
  Norm2d norm;
  Activation activation = Activation::silu;
  bool scale_shift = false;  // the timestep scales and shifts the second norm, else it is added before it
  double dropout = 0;
  double output_scale = 1;  // the sum is divided by it
};

/// Self-attention over the H W positions, with a residual.
struct Attention2d {
  Norm2d norm;
  int64_t heads = 1;
  double output_scale = 1;
};

/// Enters list.index and applies f there.
template <class B, class F>
typename B::Value in_list(B& b, const char* list, size_t index, F&& f) {
  const auto outer = b.scope(list);
  const auto inner = b.scope(std::to_string(index));
  return f();
}

template <class B>
typename B::Value norm_activation(B& b, typename B::Value x, const char* name, const Norm2d& norm,
                                  Activation activation) {
  if (activation == Activation::silu) return b.group_norm(x, name, {norm.groups, norm.eps, true});
  return activate(b, activation, b.group_norm(x, name, {norm.groups, norm.eps, false}));
}

template <class B>
typename B::Value pointwise2d(B& b, typename B::Value x, const char* name, int64_t out,
                              Init init = init_default) {
  return b.conv2d(x, name, {.out = out, .kernel = 1, .pad_before = 0, .pad_after = 0, .init = init});
}

namespace blocks2d_detail {

template <class B>
typename B::Value scaled(B& b, typename B::Value x, double output_scale) {
  return output_scale == 1.0 ? x : b.affine(x, 1.0 / output_scale, 0.0);
}

template <class B>
typename B::Value timestep_norm(B& b, typename B::Value h, typename B::Value temb, const ResnetBlock2d& c) {
  const bool fused = c.activation == Activation::silu;
  typename B::Value t = b.linear(temb, "time_emb_proj", {.out = c.scale_shift ? 2 * c.out : c.out});
  if (!c.scale_shift) return norm_activation(b, b.add_channels(h, t), "norm2", c.norm, c.activation);
  h = b.group_norm_modulated(h, t, "norm2", {c.norm.groups, c.norm.eps, fused});
  return fused ? h : activate(b, c.activation, h);
}

template <class B>
typename B::Value resnet(B& b, typename B::Value x, const typename B::Value* temb, const ResnetBlock2d& c) {
  typename B::Value h = norm_activation(b, x, "norm1", c.norm, c.activation);
  h = b.conv2d(h, "conv1", {.out = c.out});
  h = temb == nullptr ? norm_activation(b, h, "norm2", c.norm, c.activation) : timestep_norm(b, h, *temb, c);
  if (c.dropout > 0) h = b.dropout(h, c.dropout);
  h = b.conv2d(h, "conv2", {.out = c.out, .init = init_zeros});
  const bool same = b.shape(x)[1] == c.out;
  return scaled(b, b.add(same ? x : pointwise2d(b, x, "conv_shortcut", c.out), h), c.output_scale);
}

template <class B>
typename B::Value attention(B& b, typename B::Value x, const Attention2d& c) {
  using V = typename B::Value;
  const Shape s = b.shape(x);
  const int64_t channels = s[1];
  V h = b.to_tokens(b.group_norm(x, "group_norm", {c.norm.groups, c.norm.eps, false}));
  V q = b.linear(h, "to_q", {.out = channels});
  V k = b.linear(h, "to_k", {.out = channels});
  V v = b.linear(h, "to_v", {.out = channels});
  h = b.linear(b.attention(q, k, v, c.heads), "to_out.0", {.out = channels, .init = init_zeros});
  return scaled(b, b.add(x, b.from_tokens(h, s[2], s[3])), c.output_scale);
}

}  // namespace blocks2d_detail

/// temb (N,D): the activated timestep embedding, the same for every block.
template <class B>
typename B::Value resnet_block2d(B& b, typename B::Value x, typename B::Value temb, const ResnetBlock2d& c) {
  using V = typename B::Value;
  return block(
      b, [c](B& again, const V& in, const V& t) { return blocks2d_detail::resnet(again, in, &t, c); }, x,
      temb);
}

/// Without a timestep.
template <class B>
typename B::Value resnet_block2d(B& b, typename B::Value x, const ResnetBlock2d& c) {
  using V = typename B::Value;
  return block(
      b, [c](B& again, const V& in) { return blocks2d_detail::resnet<B>(again, in, nullptr, c); }, x);
}

template <class B>
typename B::Value attention2d(B& b, typename B::Value x, const Attention2d& c) {
  using V = typename B::Value;
  return block(
      b, [c](B& again, const V& in) { return blocks2d_detail::attention<B>(again, in, c); }, x);
}

/// Halves H and W; padding 0 pads right and bottom by one instead.
template <class B>
typename B::Value downsample2d(B& b, typename B::Value x, int64_t padding) {
  const auto scope = b.scope("downsamplers.0");
  return b.conv2d(
      x, "conv",
      {.out = b.shape(x)[1], .stride = 2, .pad_before = padding, .pad_after = padding == 0 ? 1 : padding});
}

/// To (height, width), which is the size of the skip it will meet: twice the size where that is even.
template <class B>
typename B::Value upsample2d(B& b, typename B::Value x, int64_t height, int64_t width) {
  const auto scope = b.scope("upsamplers.0");
  return b.conv2d(b.upsample_nearest(x, height, width), "conv", {.out = b.shape(x)[1]});
}

/// TimestepEmbedding: features (N,F) -> (N,out) through an MLP, in the scope of its name.
template <class B>
typename B::Value timestep_mlp(B& b, typename B::Value features, int64_t out, Activation activation) {
  return b.linear(activate(b, activation, b.linear(features, "linear_1", {.out = out})), "linear_2",
                  {.out = out});
}

}  // namespace langevin::nn
