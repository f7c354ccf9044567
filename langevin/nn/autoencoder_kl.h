// The autoencoder of latent diffusion (Rombach et al. 2112.10752; Kingma & Welling 1312.6114) as diffusers'
// AutoencoderKL configures and names it.
//
//   encode: x (N,C,H,W) -> mean, logvar (N,latent,h,w) of a Gaussian; h is H halved (down) at every stage but
//   the last, and logvar is kept in [-30, 20].  decode: z (N,latent,h,w) -> (N,out,H',W'), H' = 2^(stages-1)
//   h.
//
// A latent diffusion model sees (z - shift_factor) scaling_factor, which is its pipeline's business: here z
// is what encode gives and decode takes.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "langevin/nn/blocks2d.h"

namespace langevin::nn {

/// The keys of diffusers' AutoencoderKL config.json. validated() names what it cannot honour.
struct AutoencoderKLConfig {
  int64_t sample_height = 32, sample_width = 32;  // what input_shape says; any that fits may be given
  int64_t in_channels = 3, out_channels = 3;
  int64_t latent_channels = 4;
  std::vector<std::string> down_block_types{"DownEncoderBlock2D"};  // or AttnDownEncoderBlock2D
  std::vector<std::string> up_block_types{"UpDecoderBlock2D"};      // or AttnUpDecoderBlock2D
  std::vector<int64_t> block_out_channels{64};
  int64_t layers_per_block = 1;  // of the encoder; the decoder has one more
  Activation act_fn = Activation::silu;
  int64_t norm_num_groups = 32;
  double scaling_factor = 0.18215;
  std::optional<double> shift_factor;
  std::vector<double> latents_mean, latents_std;  // per latent channel, or empty
  bool force_upcast = true;                       // the peer's advice to compute in fp32
  bool use_quant_conv = true, use_post_quant_conv = true;
  bool mid_block_add_attention = true;
};

/// Checks every field; Error names field and value.
AutoencoderKLConfig validated(AutoencoderKLConfig config);

/// config.json of diffusers, both ways; reading refuses by name every key or value that is not honoured.
nlohmann::json to_json(const AutoencoderKLConfig& config);
AutoencoderKLConfig autoencoder_kl_config_from_json(const nlohmann::json& json, const std::string& source);

/// (N,latent,h,w) of the latents of x (N,C,H,W).
Shape latent_shape(const AutoencoderKLConfig& config, const Shape& x);

/// A Gaussian with diagonal covariance.
template <class V>
struct LatentGaussian {
  V mean, logvar;
};

namespace autoencoder_kl_detail {

inline constexpr double eps = 1e-6;  // of every GroupNorm

inline ResnetBlock2d resnet_of(const AutoencoderKLConfig& c, int64_t out) {
  return {.out = out, .norm = {c.norm_num_groups, eps}, .activation = c.act_fn};
}

/// `count` residual blocks, each with attention if asked.
template <class B>
typename B::Value stage(B& b, typename B::Value h, const AutoencoderKLConfig& c, int64_t out, int64_t count,
                        bool attends) {
  for (int64_t j = 0; j < count; ++j) {
    h = in_list(b, "resnets", j, [&] { return resnet_block2d(b, h, resnet_of(c, out)); });
    if (attends)
      h = in_list(b, "attentions", j, [&] { return attention2d(b, h, {.norm = {c.norm_num_groups, eps}}); });
  }
  return h;
}

template <class B>
typename B::Value middle(B& b, typename B::Value h, const AutoencoderKLConfig& c) {
  const auto scope = b.scope("mid_block");
  const int64_t out = c.block_out_channels.back();
  h = stage(b, h, c, out, 1, c.mid_block_add_attention);
  return in_list(b, "resnets", 1, [&] { return resnet_block2d(b, h, resnet_of(c, out)); });
}

/// The peer's last activation is SiLU whatever act_fn says.
template <class B>
typename B::Value head(B& b, typename B::Value h, const AutoencoderKLConfig& c, int64_t out) {
  h = b.group_norm(h, "conv_norm_out", {c.norm_num_groups, eps, true});
  return b.conv2d(h, "conv_out", {.out = out});
}

}  // namespace autoencoder_kl_detail

/// `config` must be validated.
template <class B>
LatentGaussian<typename B::Value> autoencoder_kl_encode(B& b, const AutoencoderKLConfig& c,
                                                        typename B::Value x) {
  using V = typename B::Value;
  const Shape shape = b.shape(x);
  check(shape.size() == 4 && shape[1] == c.in_channels, "autoencoder_kl",
        "the picture is {}, the network needs (N, {}, H, W)", to_string(shape), c.in_channels);
  V h = x;
  {
    const auto outer = b.scope("encoder");
    h = b.conv2d(h, "conv_in", {.out = c.block_out_channels[0]});
    for (size_t i = 0; i < c.block_out_channels.size(); ++i) {
      h = in_list(b, "down_blocks", i, [&] {
        const V y = autoencoder_kl_detail::stage(b, h, c, c.block_out_channels[i], c.layers_per_block,
                                                 c.down_block_types[i] == "AttnDownEncoderBlock2D");
        return i + 1 < c.block_out_channels.size() ? downsample2d(b, y, 0) : y;
      });
    }
    h = autoencoder_kl_detail::middle(b, h, c);
    h = autoencoder_kl_detail::head(b, h, c, 2 * c.latent_channels);
  }
  if (c.use_quant_conv) h = pointwise2d(b, h, "quant_conv", 2 * c.latent_channels);
  return {b.slice(h, 0, c.latent_channels),
          b.clamp(b.slice(h, c.latent_channels, c.latent_channels), -30.0, 20.0)};
}

/// `config` must be validated.
template <class B>
typename B::Value autoencoder_kl_decode(B& b, const AutoencoderKLConfig& c, typename B::Value z) {
  using V = typename B::Value;
  const Shape shape = b.shape(z);
  check(shape.size() == 4 && shape[1] == c.latent_channels, "autoencoder_kl",
        "the latent is {}, the network needs (N, {}, h, w)", to_string(shape), c.latent_channels);
  V h = c.use_post_quant_conv ? pointwise2d(b, z, "post_quant_conv", c.latent_channels) : z;
  const auto outer = b.scope("decoder");
  const size_t stages = c.block_out_channels.size();
  h = b.conv2d(h, "conv_in", {.out = c.block_out_channels.back()});
  h = autoencoder_kl_detail::middle(b, h, c);
  for (size_t i = 0; i < stages; ++i) {
    h = in_list(b, "up_blocks", i, [&] {
      const V y =
          autoencoder_kl_detail::stage(b, h, c, c.block_out_channels[stages - 1 - i], c.layers_per_block + 1,
                                       c.up_block_types[i] == "AttnUpDecoderBlock2D");
      const Shape s = b.shape(y);
      return i + 1 < stages ? upsample2d(b, y, 2 * s[2], 2 * s[3]) : y;
    });
  }
  return autoencoder_kl_detail::head(b, h, c, c.out_channels);
}

/// The reconstruction: x through the mean of its latents.
template <class B>
typename B::Value autoencoder_kl(B& b, const AutoencoderKLConfig& c, typename B::Value x) {
  return autoencoder_kl_decode(b, c, autoencoder_kl_encode(b, c, x).mean);
}

}  // namespace langevin::nn
