#include "langevin/nn/autoencoder_kl.h"

#include "langevin/core/names.h"
#include "langevin/nn/config_reader.h"

namespace langevin::nn {
namespace {

using nlohmann::json;

void check_range(const char* field, double value, double lo, double hi) {
  check(value >= lo && value <= hi, "autoencoder_kl", "{} must be in [{}, {}], got {}", field, lo, hi, value);
}

void check_types(const char* field, const std::vector<std::string>& types, size_t stages,
                 const std::vector<std::string>& known) {
  check(types.size() == stages, "autoencoder_kl", "{} names {} stages, block_out_channels {}", field,
        types.size(), stages);
  for (const std::string& type : types) {
    check(std::find(known.begin(), known.end(), type) != known.end(), "autoencoder_kl", "{}: {}", field,
          unknown_name("block", type, known));
  }
}

void check_statistics(const char* field, const std::vector<double>& values, int64_t channels) {
  check(values.empty() || static_cast<int64_t>(values.size()) == channels, "autoencoder_kl",
        "{} has {} numbers for {} latent channels", field, values.size(), channels);
}

}  // namespace

AutoencoderKLConfig validated(AutoencoderKLConfig c) {
  const size_t stages = c.block_out_channels.size();
  check(stages >= 1 && stages <= 16, "autoencoder_kl", "block_out_channels needs 1 to 16 stages, got {}",
        stages);
  check_types("down_block_types", c.down_block_types, stages,
              {"DownEncoderBlock2D", "AttnDownEncoderBlock2D"});
  check_types("up_block_types", c.up_block_types, stages, {"UpDecoderBlock2D", "AttnUpDecoderBlock2D"});
  check_range("sample height", static_cast<double>(c.sample_height), 1, 65536);
  check_range("sample width", static_cast<double>(c.sample_width), 1, 65536);
  check_range("in_channels", static_cast<double>(c.in_channels), 1, 4096);
  check_range("out_channels", static_cast<double>(c.out_channels), 1, 4096);
  check_range("latent_channels", static_cast<double>(c.latent_channels), 1, 4096);
  check_range("layers_per_block", static_cast<double>(c.layers_per_block), 1, 64);
  check_range("norm_num_groups", static_cast<double>(c.norm_num_groups), 1, 65536);
  check_range("scaling_factor", c.scaling_factor, 1e-9, 1e9);
  check_range("shift_factor", c.shift_factor.value_or(0), -1e9, 1e9);
  check_statistics("latents_mean", c.latents_mean, c.latent_channels);
  check_statistics("latents_std", c.latents_std, c.latent_channels);
  for (const int64_t channels : c.block_out_channels) {
    check_range("block_out_channels", static_cast<double>(channels), 1, 65536);
    check(channels % c.norm_num_groups == 0, "autoencoder_kl",
          "norm_num_groups = {} does not divide the {} channels of block_out_channels", c.norm_num_groups,
          channels);
  }
  return c;
}

json to_json(const AutoencoderKLConfig& c) {
  json j{{"_class_name", "AutoencoderKL"},
         {"sample_size", picture_size_to_json(c.sample_height, c.sample_width)},
         {"in_channels", c.in_channels},
         {"out_channels", c.out_channels},
         {"latent_channels", c.latent_channels},
         {"down_block_types", c.down_block_types},
         {"up_block_types", c.up_block_types},
         {"block_out_channels", c.block_out_channels},
         {"layers_per_block", c.layers_per_block},
         {"act_fn", activation_name(c.act_fn)},
         {"norm_num_groups", c.norm_num_groups},
         {"scaling_factor", c.scaling_factor},
         {"force_upcast", c.force_upcast}};
  // Keys that older versions of the peer do not know stand where they say something.
  if (c.shift_factor) j["shift_factor"] = *c.shift_factor;
  if (!c.latents_mean.empty()) j["latents_mean"] = c.latents_mean;
  if (!c.latents_std.empty()) j["latents_std"] = c.latents_std;
  for (const auto& [key, value] : {std::pair{"use_quant_conv", c.use_quant_conv},
                                   {"use_post_quant_conv", c.use_post_quant_conv},
                                   {"mid_block_add_attention", c.mid_block_add_attention}}) {
    if (!value) j[key] = false;
  }
  return j;
}

AutoencoderKLConfig autoencoder_kl_config_from_json(const json& object, const std::string& source) {
  AutoencoderKLConfig c;
  ConfigReader r(object, source);
  r.expect("_class_name", "AutoencoderKL");
  r.get_picture_size("sample_size", c.sample_height, c.sample_width);
  r.get("in_channels", c.in_channels);
  r.get("out_channels", c.out_channels);
  r.get("latent_channels", c.latent_channels);
  r.get("down_block_types", c.down_block_types);
  r.get("up_block_types", c.up_block_types);
  r.get("block_out_channels", c.block_out_channels);
  r.get("layers_per_block", c.layers_per_block);
  std::string activation = "silu";
  r.get("act_fn", activation);
  c.act_fn = activation_from_name(activation, source, "act_fn");
  r.get("norm_num_groups", c.norm_num_groups);
  r.get("scaling_factor", c.scaling_factor);
  r.get_optional("shift_factor", c.shift_factor);
  r.get("latents_mean", c.latents_mean);
  r.get("latents_std", c.latents_std);
  r.get("force_upcast", c.force_upcast);
  r.get("use_quant_conv", c.use_quant_conv);
  r.get("use_post_quant_conv", c.use_post_quant_conv);
  r.get("mid_block_add_attention", c.mid_block_add_attention);
  r.finish();
  return validated(c);
}

Shape latent_shape(const AutoencoderKLConfig& c, const Shape& x) {
  Shape z{x.at(0), c.latent_channels, x.at(2), x.at(3)};
  for (size_t i = 1; i < c.block_out_channels.size(); ++i) {
    z[2] /= 2;
    z[3] /= 2;
  }
  return z;
}

}  // namespace langevin::nn
