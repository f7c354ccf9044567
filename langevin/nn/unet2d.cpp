#include "langevin/nn/unet2d.h"

#include <algorithm>
#include <numeric>

#include "langevin/core/config.h"
#include "langevin/nn/config_reader.h"

namespace langevin::nn {
namespace {

using nlohmann::json;

void check_blocks(const UNet2DConfig& c) {
  const size_t stages = c.block_out_channels.size();
  check(stages >= 1 && stages <= 16, "unet2d", "block_out_channels needs 1 to 16 stages, got {}", stages);
  check(c.down_block_types.size() == stages, "unet2d",
        "down_block_types names {} stages, block_out_channels {}", c.down_block_types.size(), stages);
  check(c.up_block_types.size() == stages, "unet2d", "up_block_types names {} stages, block_out_channels {}",
        c.up_block_types.size(), stages);
  for (const auto& type : c.down_block_types) {
    check(type == "DownBlock2D" || type == "AttnDownBlock2D", "unet2d", "{}",
          unknown_name("down block", type, {"DownBlock2D", "AttnDownBlock2D"}));
  }
  for (const auto& type : c.up_block_types) {
    check(type == "UpBlock2D" || type == "AttnUpBlock2D", "unet2d", "{}",
          unknown_name("up block", type, {"UpBlock2D", "AttnUpBlock2D"}));
  }
}

void check_range(const char* field, double value, double lo, double hi) {
  check(value >= lo && value <= hi, "unet2d", "{} must be in [{}, {}], got {}", field, lo, hi, value);
}

}  // namespace

UNet2DConfig validated(UNet2DConfig c) {
  check_blocks(c);
  check_range("sample height", static_cast<double>(c.sample_height), 1, 65536);
  check_range("sample width", static_cast<double>(c.sample_width), 1, 65536);
  check_range("in_channels", static_cast<double>(c.in_channels), 1, 4096);
  check_range("out_channels", static_cast<double>(c.out_channels), 1, 8192);
  check_range("layers_per_block", static_cast<double>(c.layers_per_block), 1, 64);
  check_range("downsample_padding", static_cast<double>(c.downsample_padding), 0, 1);
  check_range("attention_head_dim", static_cast<double>(c.attention_head_dim), 0, 65536);
  check_range("norm_num_groups", static_cast<double>(c.norm_num_groups), 0, 65536);
  check_range("num_class_embeds", static_cast<double>(c.num_class_embeds), 0, 1e7);
  check_range("dropout", c.dropout, 0, 0.99);
  check_range("norm_eps", c.norm_eps, 1e-12, 1);
  check_range("mid_block_scale_factor", c.mid_block_scale_factor, 1e-6, 1e6);
  for (int64_t channels : c.block_out_channels)
    check_range("block_out_channels", static_cast<double>(channels), 1, 65536);
  const auto divides_all = [&](int64_t n) {
    return std::all_of(c.block_out_channels.begin(), c.block_out_channels.end(),
                       [n](int64_t ch) { return ch % n == 0; });
  };
  if (c.norm_num_groups == 0) {
    c.norm_num_groups = 32;
    while (!divides_all(c.norm_num_groups)) --c.norm_num_groups;
  }
  check(
      divides_all(c.norm_num_groups), "unet2d",
      "norm_num_groups = {} does not divide every entry of block_out_channels; 0 chooses a number that does",
      c.norm_num_groups);
  const size_t stages = c.block_out_channels.size();
  for (size_t i = 0; i < stages; ++i) {
    const bool attends = c.down_block_types[i] == "AttnDownBlock2D" ||
                         c.up_block_types[stages - 1 - i] == "AttnUpBlock2D" ||
                         (i + 1 == stages && c.add_attention);
    check(!attends || c.attention_head_dim == 0 || c.block_out_channels[i] % c.attention_head_dim == 0,
          "unet2d", "attention_head_dim = {} does not divide the {} channels of stage {}; 0 means one head",
          c.attention_head_dim, c.block_out_channels[i], i);
  }
  const int64_t half = c.block_out_channels[0] / 2;
  check(static_cast<double>(half) > c.freq_shift, "unet2d",
        "block_out_channels[0] = {} is too small for freq_shift = {}", c.block_out_channels[0], c.freq_shift);
  return c;
}

json to_json(const UNet2DConfig& c) {
  return {{"_class_name", "UNet2DModel"},
          {"sample_size", picture_size_to_json(c.sample_height, c.sample_width)},
          {"in_channels", c.in_channels},
          {"out_channels", c.out_channels},
          {"center_input_sample", c.center_input_sample},
          {"time_embedding_type", "positional"},
          {"flip_sin_to_cos", c.flip_sin_to_cos},
          {"freq_shift", c.freq_shift},
          {"down_block_types", c.down_block_types},
          {"up_block_types", c.up_block_types},
          {"block_out_channels", c.block_out_channels},
          {"layers_per_block", c.layers_per_block},
          {"mid_block_scale_factor", c.mid_block_scale_factor},
          {"downsample_padding", c.downsample_padding},
          {"downsample_type", "conv"},
          {"upsample_type", "conv"},
          {"act_fn", "silu"},
          {"attention_head_dim", c.attention_head_dim == 0 ? json(nullptr) : json(c.attention_head_dim)},
          {"norm_num_groups", c.norm_num_groups},
          {"norm_eps", c.norm_eps},
          {"resnet_time_scale_shift", c.scale_shift ? "scale_shift" : "default"},
          {"add_attention", c.add_attention},
          {"class_embed_type", nullptr},
          {"num_class_embeds", c.num_class_embeds == 0 ? json(nullptr) : json(c.num_class_embeds)},
          {"dropout", c.dropout}};
}

UNet2DConfig unet2d_config_from_json(const json& object, const std::string& source) {
  UNet2DConfig c;
  ConfigReader r(object, source);
  r.expect("_class_name", "UNet2DModel");
  r.expect("time_embedding_type", "positional");
  r.expect("downsample_type", "conv");
  r.expect("upsample_type", "conv");
  r.expect("act_fn", "silu");
  r.expect("class_embed_type", nullptr);
  r.get_picture_size("sample_size", c.sample_height, c.sample_width);
  r.get("in_channels", c.in_channels);
  r.get("out_channels", c.out_channels);
  r.get("center_input_sample", c.center_input_sample);
  r.get("flip_sin_to_cos", c.flip_sin_to_cos);
  r.get("freq_shift", c.freq_shift);
  r.get("down_block_types", c.down_block_types);
  r.get("up_block_types", c.up_block_types);
  r.get("block_out_channels", c.block_out_channels);
  r.get("layers_per_block", c.layers_per_block);
  r.get("mid_block_scale_factor", c.mid_block_scale_factor);
  r.get("downsample_padding", c.downsample_padding);
  const bool one_head = object.contains("attention_head_dim") && object.at("attention_head_dim").is_null();
  r.get("attention_head_dim", c.attention_head_dim);
  if (one_head) c.attention_head_dim = 0;
  r.get("norm_num_groups", c.norm_num_groups);
  r.get("norm_eps", c.norm_eps);
  std::string scale_shift = "default";
  r.get("resnet_time_scale_shift", scale_shift);
  check(scale_shift == "default" || scale_shift == "scale_shift", source,
        "resnet_time_scale_shift = '{}' is not supported, only default and scale_shift", scale_shift);
  c.scale_shift = scale_shift == "scale_shift";
  r.get("add_attention", c.add_attention);
  r.get("num_class_embeds", c.num_class_embeds);
  r.get("dropout", c.dropout);
  r.finish();
  return validated(c);
}

}  // namespace langevin::nn
