// DDPM's U-Net (Ho et al. 2006.11239, appendix B) as diffusers' UNet2DModel configures and names it.
//
//   x (N,C,H,W), t (N) -> (N,out,H,W).  Stages halve H and W; each has `layers_per_block` residual blocks
//   (GroupNorm, SiLU, conv, + time embedding, GroupNorm, SiLU, dropout, conv) and attention where its type
//   says so. Any H, W >= 8, also odd: the way up is resized to the skip it meets.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "langevin/nn/blocks2d.h"

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

inline Norm2d norm_of(const UNet2DConfig& c) { return {c.norm_num_groups, c.norm_eps}; }

inline ResnetBlock2d resnet_of(const UNet2DConfig& c, int64_t out, double output_scale = 1) {
  return {.out = out,
          .norm = norm_of(c),
          .scale_shift = c.scale_shift,
          .dropout = c.dropout,
          .output_scale = output_scale};
}

inline Attention2d attention_of(const UNet2DConfig& c, int64_t channels, double output_scale = 1) {
  return {.norm = norm_of(c),
          .heads = c.attention_head_dim == 0 ? 1 : channels / c.attention_head_dim,
          .output_scale = output_scale};
}

}  // namespace unet2d_detail

/// What comes out of the network's left half and its middle.
template <class V>
struct EncodedPicture {
  V h;                   // (N,C,h,w), of the last stage
  std::vector<V> skips;  // what each block gave, the first first
  V temb;                // (N,4 C_0), the activated timestep embedding
};

/// The left half and the middle. `config` must be validated.
template <class B>
EncodedPicture<typename B::Value> unet2d_encoder(B& b, const UNet2DConfig& c,
                                                 const Inputs<typename B::Value>& in) {
  using V = typename B::Value;
  using unet2d_detail::attention_of, unet2d_detail::resnet_of;
  const int64_t stages = static_cast<int64_t>(c.block_out_channels.size()),
                embed = 4 * c.block_out_channels[0];

  V temb = b.timestep_embedding(in.t, {c.block_out_channels[0], c.flip_sin_to_cos, c.freq_shift});
  {
    const auto scope = b.scope("time_embedding");
    temb = timestep_mlp(b, temb, embed, Activation::silu);
  }
  if (c.num_class_embeds > 0) {
    check(in.class_labels != nullptr, "unet2d", "the network is class-conditional: class labels are missing");
    temb = b.add(temb, b.embedding(*in.class_labels, "class_embedding", c.num_class_embeds, embed));
  }
  temb = b.silu(temb);  // every block projects the same activation

  V h = b.conv2d(c.center_input_sample ? b.affine(in.x, 2.0, -1.0) : in.x, "conv_in",
                 {.out = c.block_out_channels[0]});
  std::vector<V> skips{h};
  for (int64_t i = 0; i < stages; ++i) {
    const auto outer = b.scope("down_blocks");
    const auto scope = b.scope(std::to_string(i));
    const int64_t out = c.block_out_channels[i];
    const bool attends = c.down_block_types[i] == "AttnDownBlock2D";
    for (int64_t j = 0; j < c.layers_per_block; ++j) {
      h = in_list(b, "resnets", j, [&] { return resnet_block2d(b, h, temb, resnet_of(c, out)); });
      if (attends) h = in_list(b, "attentions", j, [&] { return attention2d(b, h, attention_of(c, out)); });
      skips.push_back(h);
    }
    if (i + 1 < stages) skips.push_back(h = downsample2d(b, h, c.downsample_padding));
  }
  {
    const auto scope = b.scope("mid_block");
    const double scale = c.mid_block_scale_factor;
    const int64_t out = c.block_out_channels.back();
    h = in_list(b, "resnets", 0, [&] { return resnet_block2d(b, h, temb, resnet_of(c, out, scale)); });
    if (c.add_attention)
      h = in_list(b, "attentions", 0, [&] { return attention2d(b, h, attention_of(c, out, scale)); });
    h = in_list(b, "resnets", 1, [&] { return resnet_block2d(b, h, temb, resnet_of(c, out, scale)); });
  }
  return {std::move(h), std::move(skips), std::move(temb)};
}

/// The network. `config` must be validated.
template <class B>
typename B::Value unet2d(B& b, const UNet2DConfig& c, const Inputs<typename B::Value>& in) {
  using unet2d_detail::attention_of, unet2d_detail::resnet_of;
  const auto stages = static_cast<int64_t>(c.block_out_channels.size());
  auto encoded = unet2d_encoder(b, c, in);
  auto &h = encoded.h, &temb = encoded.temb;
  auto& skips = encoded.skips;
  for (int64_t i = 0; i < stages; ++i) {
    const auto outer = b.scope("up_blocks");
    const auto scope = b.scope(std::to_string(i));
    const int64_t out = c.block_out_channels[stages - 1 - i];
    const bool attends = c.up_block_types[i] == "AttnUpBlock2D";
    for (int64_t j = 0; j <= c.layers_per_block; ++j) {
      h = b.concat(h, skips.back());
      skips.pop_back();
      h = in_list(b, "resnets", j, [&] { return resnet_block2d(b, h, temb, resnet_of(c, out)); });
      if (attends) h = in_list(b, "attentions", j, [&] { return attention2d(b, h, attention_of(c, out)); });
    }
    if (i + 1 < stages) {
      const Shape next = b.shape(skips.back());
      h = upsample2d(b, h, next[2], next[3]);
    }
  }
  h = b.group_norm(h, "conv_norm_out", {c.norm_num_groups, c.norm_eps, true});
  return b.conv2d(h, "conv_out", {.out = c.out_channels, .init = init_zeros});
}

}  // namespace langevin::nn
