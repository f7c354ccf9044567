// DDPM's U-Net (Ho et al. 2006.11239, appendix B) as diffusers' UNet2DModel configures and names it.
//
//   x (N,C,H,W), t (N) -> (N,out,H,W).  Stages halve H and W; each has `layers_per_block` residual blocks
//   (GroupNorm, SiLU, conv, + time embedding, GroupNorm, SiLU, dropout, conv) and attention where its type
//   says so. Any H, W >= 8, also odd: the way up is resized to the skip it meets.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "langevin/nn/vocabulary.h"

namespace langevin::nn {

/// The keys of diffusers' UNet2DModel config.json. validate() names what it cannot honour.
struct UNet2DConfig {
  int64_t sample_height = 32, sample_width = 32;
  int64_t in_channels = 3, out_channels = 3;
  bool center_input_sample = false;
  bool flip_sin_to_cos = true;
  double freq_shift = 0;
  std::vector<std::string> down_block_types{"DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D",
                                            "AttnDownBlock2D"};
  std::vector<std::string> up_block_types{"AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"};
  std::vector<int64_t> block_out_channels{224, 448, 672, 896};
  int64_t layers_per_block = 2;
  double mid_block_scale_factor = 1;
  int64_t downsample_padding = 1;  // 0: pad right and bottom by one instead (google/ddpm-*)
  int64_t attention_head_dim = 8;  // 0: one head
  int64_t norm_num_groups = 32;    // 0: the largest number up to 32 that divides every stage's channels
  double norm_eps = 1e-5;
  bool scale_shift = false;   // resnet_time_scale_shift = "scale_shift"
  bool add_attention = true;  // attention in the middle block
  int64_t num_class_embeds =
      0;  // 0: unconditional; the last one is the null class where guidance was trained
  double dropout = 0;
};

/// Resolves automatic values and checks every field; Error names field and value.
UNet2DConfig validated(UNet2DConfig config);

/// config.json of diffusers, both ways; reading refuses by name every key or value that is not honoured.
nlohmann::json to_json(const UNet2DConfig& config);
UNet2DConfig unet2d_config_from_json(const nlohmann::json& json, const std::string& source);

namespace unet2d_detail {

template <class B>
struct Parts {
  using V = typename B::Value;
  B& b;
  const UNet2DConfig& c;
  V temb{};  // silu(time and class embedding), (N, 4 ch0): every block projects the same activation

  /// x (N,C,H,W) -> (N,out,H,W)
  V resnet(V x, int64_t out, double output_scale = 1.0) {
    const auto residual = [config = &c, out, output_scale](B& again, const V& input, const V& embedding) {
      return Parts{again, *config, embedding}.resnet_values(input, out, output_scale);
    };
    return block(b, residual, x, temb);
  }
  V resnet_values(V x, int64_t out, double output_scale) {
    const bool same = b.shape(x)[1] == out;
    V h = b.group_norm(x, "norm1", {c.norm_num_groups, c.norm_eps, true});
    h = b.conv2d(h, "conv1", {.out = out});
    V t = b.linear(temb, "time_emb_proj", {.out = c.scale_shift ? 2 * out : out});
    if (c.scale_shift) {
      h = b.group_norm_modulated(h, t, "norm2", {c.norm_num_groups, c.norm_eps, true});
    } else {
      h = b.add_channels(h, t);
      h = b.group_norm(h, "norm2", {c.norm_num_groups, c.norm_eps, true});
    }
    if (c.dropout > 0) h = b.dropout(h, c.dropout);
    h = b.conv2d(h, "conv2", {.out = out, .init = init_zeros});
    V skip =
        same ? x : b.conv2d(x, "conv_shortcut", {.out = out, .kernel = 1, .pad_before = 0, .pad_after = 0});
    V y = b.add(skip, h);
    return output_scale == 1.0 ? y : b.affine(y, 1.0 / output_scale, 0.0);
  }

  /// Self-attention over the H W positions, with a residual.
  V attention(V x, double output_scale = 1.0) {
    const auto residual = [config = &c, output_scale](B& again, const V& input) {
      return Parts{again, *config}.attention_values(input, output_scale);
    };
    return block(b, residual, x);
  }
  V attention_values(V x, double output_scale) {
    const Shape s = b.shape(x);
    const int64_t channels = s[1], heads = c.attention_head_dim == 0 ? 1 : channels / c.attention_head_dim;
    V h = b.to_tokens(b.group_norm(x, "group_norm", {c.norm_num_groups, c.norm_eps, false}));
    V q = b.linear(h, "to_q", {.out = channels});
    V k = b.linear(h, "to_k", {.out = channels});
    V v = b.linear(h, "to_v", {.out = channels});
    h = b.linear(b.attention(q, k, v, heads), "to_out.0", {.out = channels, .init = init_zeros});
    V y = b.add(x, b.from_tokens(h, s[2], s[3]));
    return output_scale == 1.0 ? y : b.affine(y, 1.0 / output_scale, 0.0);
  }

  /// Enters list.index and applies f there.
  template <class F>
  V at(const char* list, size_t index, F&& f) {
    const auto outer = b.scope(list);
    const auto inner = b.scope(std::to_string(index));
    return f();
  }

  V downsample(V x) {
    const auto scope = b.scope("downsamplers.0");
    const int64_t p = c.downsample_padding;
    return b.conv2d(x, "conv",
                    {.out = b.shape(x)[1], .stride = 2, .pad_before = p, .pad_after = p == 0 ? 1 : p});
  }

  /// To the size of the skip it will meet, twice the size where that is even.
  V upsample(V x, int64_t height, int64_t width) {
    const auto scope = b.scope("upsamplers.0");
    return b.conv2d(b.upsample_nearest(x, height, width), "conv", {.out = b.shape(x)[1]});
  }
};

}  // namespace unet2d_detail

/// The network. `config` must be validated.
template <class B>
typename B::Value unet2d(B& b, const UNet2DConfig& c, const Inputs<typename B::Value>& in) {
  using V = typename B::Value;
  unet2d_detail::Parts<B> parts{b, c};
  const int64_t stages = static_cast<int64_t>(c.block_out_channels.size()),
                embed = 4 * c.block_out_channels[0];

  V temb = b.timestep_embedding(in.t, {c.block_out_channels[0], c.flip_sin_to_cos, c.freq_shift});
  {
    const auto scope = b.scope("time_embedding");
    temb = b.linear(b.silu(b.linear(temb, "linear_1", {.out = embed})), "linear_2", {.out = embed});
  }
  if (c.num_class_embeds > 0) {
    check(in.class_labels != nullptr, "unet2d", "the network is class-conditional: class labels are missing");
    temb = b.add(temb, b.embedding(*in.class_labels, "class_embedding", c.num_class_embeds, embed));
  }
  parts.temb = b.silu(temb);

  V h = b.conv2d(c.center_input_sample ? b.affine(in.x, 2.0, -1.0) : in.x, "conv_in",
                 {.out = c.block_out_channels[0]});
  std::vector<V> skips{h};
  for (int64_t i = 0; i < stages; ++i) {
    const auto outer = b.scope("down_blocks");
    const auto scope = b.scope(std::to_string(i));
    const int64_t out = c.block_out_channels[i];
    const bool attends = c.down_block_types[i] == "AttnDownBlock2D";
    for (int64_t j = 0; j < c.layers_per_block; ++j) {
      h = parts.at("resnets", j, [&] { return parts.resnet(h, out); });
      if (attends) h = parts.at("attentions", j, [&] { return parts.attention(h); });
      skips.push_back(h);
    }
    if (i + 1 < stages) skips.push_back(h = parts.downsample(h));
  }
  {
    const auto scope = b.scope("mid_block");
    const double scale = c.mid_block_scale_factor;
    h = parts.at("resnets", 0, [&] { return parts.resnet(h, c.block_out_channels.back(), scale); });
    if (c.add_attention) h = parts.at("attentions", 0, [&] { return parts.attention(h, scale); });
    h = parts.at("resnets", 1, [&] { return parts.resnet(h, c.block_out_channels.back(), scale); });
  }
  for (int64_t i = 0; i < stages; ++i) {
    const auto outer = b.scope("up_blocks");
    const auto scope = b.scope(std::to_string(i));
    const int64_t out = c.block_out_channels[stages - 1 - i];
    const bool attends = c.up_block_types[i] == "AttnUpBlock2D";
    for (int64_t j = 0; j <= c.layers_per_block; ++j) {
      h = b.concat(h, skips.back());
      skips.pop_back();
      h = parts.at("resnets", j, [&] { return parts.resnet(h, out); });
      if (attends) h = parts.at("attentions", j, [&] { return parts.attention(h); });
    }
    if (i + 1 < stages) {
      const Shape next = b.shape(skips.back());
      h = parts.upsample(h, next[2], next[3]);
    }
  }
  h = b.group_norm(h, "conv_norm_out", {c.norm_num_groups, c.norm_eps, true});
  return b.conv2d(h, "conv_out", {.out = c.out_channels, .init = init_zeros});
}

}  // namespace langevin::nn
