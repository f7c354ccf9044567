#include "langevin/nn/unet2d_condition.h"

#include <algorithm>

#include "langevin/core/names.h"
#include "langevin/nn/config_reader.h"

namespace langevin::nn {
namespace {

using nlohmann::json;
constexpr const char* kName = "unet2d_condition";

void check_range(const char* field, double value, double lo, double hi) {
  check(value >= lo && value <= hi, kName, "{} must be in [{}, {}], got {}", field, lo, hi, value);
}
void check_range(const char* field, int64_t value, int64_t lo, int64_t hi) {
  check(value >= lo && value <= hi, kName, "{} must be in [{}, {}], got {}", field, lo, hi, value);
}

/// One entry for each stage: a single one counts for all.
template <class T>
void spread(const char* field, std::vector<T>& values, size_t stages) {
  if (values.size() == 1) values.assign(stages, T(values[0]));
  check(values.size() == stages, kName, "{} has {} entries, block_out_channels {}", field, values.size(),
        stages);
}

void check_types(const char* field, const std::vector<std::string>& types, size_t stages,
                 const std::vector<std::string>& known) {
  check(types.size() == stages, kName, "{} names {} stages, block_out_channels {}", field, types.size(),
        stages);
  for (const std::string& type : types) {
    check(std::find(known.begin(), known.end(), type) != known.end(), kName, "{}: {}", field,
          unknown_name("block", type, known));
  }
}

/// Stage i's numbers of transformer layers, one for each of `blocks` residual blocks.
void spread_layers(const char* field, std::vector<int64_t>& layers, int64_t blocks) {
  if (layers.size() == 1) layers.assign(static_cast<size_t>(blocks), int64_t(layers[0]));
  check(static_cast<int64_t>(layers.size()) == blocks, kName, "{} has {} entries for {} residual blocks",
        field, layers.size(), blocks);
  for (const int64_t count : layers) check_range(field, count, 0, 256);
}

void fill_transformer_layers(UNet2DConditionConfig& c, size_t stages) {
  auto &down = c.transformer_layers_per_block, &up = c.reverse_transformer_layers_per_block;
  spread("transformer_layers_per_block", down, stages);
  if (up.empty()) {
    for (size_t i = 0; i < stages; ++i) {
      const auto& layers = down[stages - 1 - i];
      check(!layers.empty() && std::count(layers.begin(), layers.end(), layers[0]) ==
                                   static_cast<std::ptrdiff_t>(layers.size()),
            kName,
            "transformer_layers_per_block differs within a stage: give reverse_transformer_layers_per_block");
      up.push_back({layers[0]});
    }
  }
  spread("reverse_transformer_layers_per_block", up, stages);
  for (size_t i = 0; i < stages; ++i) {
    spread_layers("transformer_layers_per_block", down[i], c.layers_per_block[i]);
    spread_layers("reverse_transformer_layers_per_block", up[i], c.layers_per_block[stages - 1 - i] + 1);
  }
}

/// Whether stage i, counted on the way down, holds a transformer.
bool attends(const UNet2DConditionConfig& c, size_t i) {
  const size_t stages = c.block_out_channels.size();
  return c.down_block_types[i] == "CrossAttnDownBlock2D" ||
         c.up_block_types[stages - 1 - i] == "CrossAttnUpBlock2D" ||
         (i + 1 == stages && c.mid_block_type == "UNetMidBlock2DCrossAttn");
}

void check_stages(const UNet2DConditionConfig& c) {
  int64_t width = 0;
  for (size_t i = 0; i < c.block_out_channels.size(); ++i) {
    const int64_t channels = c.block_out_channels[i];
    check_range("block_out_channels", channels, 1, 65536);
    check_range("layers_per_block", c.layers_per_block[i], 1, 64);
    check_range("cross_attention_dim", c.cross_attention_dim[i], 1, 1 << 20);
    check(channels % c.norm_num_groups == 0, kName,
          "norm_num_groups = {} does not divide the {} channels of block_out_channels", c.norm_num_groups,
          channels);
    if (!attends(c, i)) continue;
    check_range("attention_head_dim (the number of heads)", c.num_heads[i], 1, channels);
    check(width == 0 || width == c.cross_attention_dim[i], kName,
          "cross_attention_dim = {} and {}: encoder_hidden_states has one width for all stages", width,
          c.cross_attention_dim[i]);
    width = c.cross_attention_dim[i];
  }
  for (const int64_t kernel : {c.conv_in_kernel, c.conv_out_kernel}) {
    check_range("conv_in_kernel, conv_out_kernel", kernel, 1, 255);
    check(kernel % 2 == 1, kName, "conv_in_kernel and conv_out_kernel must be odd, got {}", kernel);
  }
}

void check_embeddings(const UNet2DConditionConfig& c) {
  static const std::vector<std::string> class_types{"timestep", "identity", "projection",
                                                    "simple_projection"};
  check(c.class_embed_type.empty() ||
            std::find(class_types.begin(), class_types.end(), c.class_embed_type) != class_types.end(),
        kName, "{}", unknown_name("class_embed_type", c.class_embed_type, class_types));
  check(c.class_embed_type.empty() || c.num_class_embeds == 0, kName,
        "num_class_embeds = {} has no use with class_embed_type = {}", c.num_class_embeds,
        c.class_embed_type);
  check_range("num_class_embeds", c.num_class_embeds, 0, 10'000'000);
  check_range("projection_class_embeddings_input_dim", c.projection_class_embeddings_input_dim, 0, 1 << 20);
  const bool projects = c.class_embed_type == "projection" || c.class_embed_type == "simple_projection",
             conditional = !c.class_embed_type.empty() || c.num_class_embeds > 0;
  check(!projects || c.projection_class_embeddings_input_dim > 0, kName,
        "class_embed_type = {} needs projection_class_embeddings_input_dim", c.class_embed_type);
  check(!c.class_embeddings_concat || (conditional && c.addition_embed_type.empty()), kName,
        "class_embeddings_concat needs a class embedding and no addition_embed_type");
  check(c.addition_embed_type.empty() || c.addition_embed_type == "text_time", kName,
        "addition_embed_type = '{}' is not supported, only text_time", c.addition_embed_type);
  check_range("addition_time_embed_dim", c.addition_time_embed_dim, 0, 65536);
  check(
      c.addition_embed_type.empty() || (c.addition_time_embed_dim > 0 &&
                                        c.projection_class_embeddings_input_dim > c.addition_time_embed_dim),
      kName,
      "text_time needs addition_time_embed_dim and a projection_class_embeddings_input_dim above it, got {} "
      "and {}",
      c.addition_time_embed_dim, c.projection_class_embeddings_input_dim);
  for (const int64_t width : {c.block_out_channels[0], c.addition_time_embed_dim}) {
    check(width == 0 || static_cast<double>(width / 2) > c.freq_shift, kName,
          "{} timestep features are too few for freq_shift = {}", width, c.freq_shift);
  }
}

/// The one entry that all are, else the list.
template <class T>
json gathered(const std::vector<T>& values) {
  const bool same = std::all_of(values.begin(), values.end(), [&](const T& v) { return v == values[0]; });
  return same && !values.empty() ? json(values[0]) : json(values);
}
json gathered(const std::vector<bool>& values) {
  return gathered(std::vector<json>(values.begin(), values.end()));
}
json gathered(const std::vector<std::vector<int64_t>>& values) {
  std::vector<json> entries;
  for (const auto& stage : values) entries.push_back(gathered(stage));
  return gathered(entries);
}

json or_null(int64_t value) { return value == 0 ? json(nullptr) : json(value); }
json or_null(const std::string& value) { return value.empty() ? json(nullptr) : json(value); }
json or_null(const std::optional<Activation>& value) {
  return value ? json(activation_name(*value)) : json(nullptr);
}

/// The way up that validated() would fill in.
bool is_reversed(const UNet2DConditionConfig& c) {
  UNet2DConditionConfig other = c;
  other.reverse_transformer_layers_per_block.clear();
  try {
    return validated(other).reverse_transformer_layers_per_block == c.reverse_transformer_layers_per_block;
  } catch (const Error&) {
    return false;
  }
}

/// A number for all stages, or a list with a number or a list for each.
void read_layers(ConfigReader& r, const std::string& source, const char* key,
                 std::vector<std::vector<int64_t>>& layers) {
  const json value = r.take(key);
  if (value.is_null()) return;
  layers.clear();
  const auto wrong = [&](bool ok) { check(ok, source, "{} has the wrong type: {}", key, value.dump()); };
  wrong(value.is_number_integer() || (value.is_array() && !value.empty()));
  for (const json& stage : value.is_array() ? value : json::array({value})) {
    wrong(stage.is_number_integer() || (stage.is_array() && !stage.empty()));
    layers.emplace_back();
    for (const json& count : stage.is_array() ? stage : json::array({stage})) {
      wrong(count.is_number_integer());
      layers.back().push_back(count.get<int64_t>());
    }
  }
}

void read_activation(ConfigReader& r, const std::string& source, const char* key,
                     std::optional<Activation>& activation) {
  std::string name;
  r.get(key, name);
  if (!name.empty()) activation = activation_from_name(name, source, key);
}

/// What has no effect on the blocks of this network must have its default.
void expect_unused(ConfigReader& r) {
  r.expect("num_attention_heads", nullptr);  // the peer refuses it too: attention_head_dim says the number
  r.expect("dual_cross_attention", false);
  r.expect("attention_type", "default");
  r.expect("time_embedding_type", "positional");
  r.expect("resnet_skip_time_act", false);
  r.expect("resnet_out_scale_factor", 1.0);
  r.expect("cross_attention_norm", nullptr);
  r.expect("mid_block_only_cross_attention", nullptr);
  r.take("addition_embed_type_num_heads");  // of addition_embed_type = text alone
}

void read_conditions(ConfigReader& r, const std::string& source, UNet2DConditionConfig& c) {
  r.get_per_stage("cross_attention_dim", c.cross_attention_dim);
  r.get("encoder_hid_dim", c.encoder_hid_dim);
  std::string kind = c.encoder_hid_dim > 0 ? "text_proj" : "";
  r.get("encoder_hid_dim_type", kind);
  check((kind.empty() && c.encoder_hid_dim == 0) || (kind == "text_proj" && c.encoder_hid_dim > 0), source,
        "encoder_hid_dim_type = '{}' with encoder_hid_dim = {} is not supported, only text_proj", kind,
        c.encoder_hid_dim);
  r.get("class_embed_type", c.class_embed_type);
  r.get("num_class_embeds", c.num_class_embeds);
  r.get("projection_class_embeddings_input_dim", c.projection_class_embeddings_input_dim);
  r.get("class_embeddings_concat", c.class_embeddings_concat);
  r.get("addition_embed_type", c.addition_embed_type);
  r.get("addition_time_embed_dim", c.addition_time_embed_dim);
  r.get("time_embedding_dim", c.time_embedding_dim);
  read_activation(r, source, "time_embedding_act_fn", c.time_embedding_act_fn);
  read_activation(r, source, "timestep_post_act", c.timestep_post_act);
  r.get("time_cond_proj_dim", c.time_cond_proj_dim);
}

}  // namespace

UNet2DConditionConfig validated(UNet2DConditionConfig c) {
  const size_t stages = c.block_out_channels.size();
  check(stages >= 1 && stages <= 16, kName, "block_out_channels needs 1 to 16 stages, got {}", stages);
  check_types("down_block_types", c.down_block_types, stages, {"CrossAttnDownBlock2D", "DownBlock2D"});
  check_types("up_block_types", c.up_block_types, stages, {"CrossAttnUpBlock2D", "UpBlock2D"});
  check_types("mid_block_type", {c.mid_block_type}, 1, {"UNetMidBlock2DCrossAttn", "UNetMidBlock2D", ""});
  check_range("sample height", c.sample_height, 1, 65536);
  check_range("sample width", c.sample_width, 1, 65536);
  check_range("in_channels", c.in_channels, 1, 4096);
  check_range("out_channels", c.out_channels, 1, 8192);
  check_range("downsample_padding", c.downsample_padding, 0, 1);
  check_range("norm_num_groups", c.norm_num_groups, 1, 65536);
  check_range("encoder_hid_dim", c.encoder_hid_dim, 0, 1 << 20);
  check_range("time_embedding_dim", c.time_embedding_dim, 0, 1 << 20);
  check_range("time_cond_proj_dim", c.time_cond_proj_dim, 0, 1 << 20);
  check_range("dropout", c.dropout, 0.0, 0.99);
  check_range("norm_eps", c.norm_eps, 1e-12, 1.0);
  check_range("mid_block_scale_factor", c.mid_block_scale_factor, 1e-6, 1e6);
  spread("only_cross_attention", c.only_cross_attention, stages);
  spread("layers_per_block", c.layers_per_block, stages);
  spread("cross_attention_dim", c.cross_attention_dim, stages);
  spread("attention_head_dim", c.num_heads, stages);
  check_stages(c);
  fill_transformer_layers(c, stages);
  check_embeddings(c);
  return c;
}

json to_json(const UNet2DConditionConfig& c) {
  json j{{"_class_name", "UNet2DConditionModel"},
         {"sample_size", picture_size_to_json(c.sample_height, c.sample_width)},
         {"in_channels", c.in_channels},
         {"out_channels", c.out_channels},
         {"center_input_sample", c.center_input_sample},
         {"flip_sin_to_cos", c.flip_sin_to_cos},
         {"freq_shift", c.freq_shift},
         {"down_block_types", c.down_block_types},
         {"mid_block_type", or_null(c.mid_block_type)},
         {"up_block_types", c.up_block_types},
         {"only_cross_attention", gathered(c.only_cross_attention)},
         {"block_out_channels", c.block_out_channels},
         {"layers_per_block", gathered(c.layers_per_block)},
         {"downsample_padding", c.downsample_padding},
         {"mid_block_scale_factor", c.mid_block_scale_factor},
         {"dropout", c.dropout},
         {"act_fn", activation_name(c.act_fn)},
         {"norm_num_groups", c.norm_num_groups},
         {"norm_eps", c.norm_eps},
         {"cross_attention_dim", gathered(c.cross_attention_dim)},
         {"transformer_layers_per_block", gathered(c.transformer_layers_per_block)},
         {"encoder_hid_dim", or_null(c.encoder_hid_dim)},
         {"encoder_hid_dim_type", c.encoder_hid_dim > 0 ? json("text_proj") : json(nullptr)},
         {"attention_head_dim", gathered(c.num_heads)},
         {"use_linear_projection", c.use_linear_projection},
         {"class_embed_type", or_null(c.class_embed_type)},
         {"num_class_embeds", or_null(c.num_class_embeds)},
         {"projection_class_embeddings_input_dim", or_null(c.projection_class_embeddings_input_dim)},
         {"class_embeddings_concat", c.class_embeddings_concat},
         {"addition_embed_type", or_null(c.addition_embed_type)},
         {"addition_time_embed_dim", or_null(c.addition_time_embed_dim)},
         {"upcast_attention", c.upcast_attention},
         {"resnet_time_scale_shift", c.scale_shift ? "scale_shift" : "default"},
         {"time_embedding_dim", or_null(c.time_embedding_dim)},
         {"time_embedding_act_fn", or_null(c.time_embedding_act_fn)},
         {"timestep_post_act", or_null(c.timestep_post_act)},
         {"time_cond_proj_dim", or_null(c.time_cond_proj_dim)},
         {"conv_in_kernel", c.conv_in_kernel},
         {"conv_out_kernel", c.conv_out_kernel}};
  if (!is_reversed(c))  // a key that older versions of the peer do not know
    j["reverse_transformer_layers_per_block"] = c.reverse_transformer_layers_per_block;
  return j;
}

UNet2DConditionConfig unet2d_condition_config_from_json(const json& object, const std::string& source) {
  UNet2DConditionConfig c;
  ConfigReader r(object, source);
  r.expect("_class_name", "UNet2DConditionModel");
  for (const char* key : {"norm_num_groups", "cross_attention_dim", "attention_head_dim"})
    check(!object.contains(key) || !object.at(key).is_null(), source, "{} = null is not supported", key);
  expect_unused(r);
  r.get_picture_size("sample_size", c.sample_height, c.sample_width);
  r.get("in_channels", c.in_channels);
  r.get("out_channels", c.out_channels);
  r.get("center_input_sample", c.center_input_sample);
  r.get("flip_sin_to_cos", c.flip_sin_to_cos);
  r.get("freq_shift", c.freq_shift);
  r.get("down_block_types", c.down_block_types);
  r.get("up_block_types", c.up_block_types);
  if (object.contains("mid_block_type") && object.at("mid_block_type").is_null()) c.mid_block_type = "";
  r.get("mid_block_type", c.mid_block_type);
  r.get_per_stage("only_cross_attention", c.only_cross_attention);
  r.get("block_out_channels", c.block_out_channels);
  r.get_per_stage("layers_per_block", c.layers_per_block);
  r.get("downsample_padding", c.downsample_padding);
  r.get("mid_block_scale_factor", c.mid_block_scale_factor);
  r.get("dropout", c.dropout);
  std::optional<Activation> activation;
  read_activation(r, source, "act_fn", activation);
  c.act_fn = activation.value_or(Activation::silu);
  r.get("norm_num_groups", c.norm_num_groups);
  r.get("norm_eps", c.norm_eps);
  read_layers(r, source, "transformer_layers_per_block", c.transformer_layers_per_block);
  read_layers(r, source, "reverse_transformer_layers_per_block", c.reverse_transformer_layers_per_block);
  r.get_per_stage("attention_head_dim", c.num_heads);
  r.get("use_linear_projection", c.use_linear_projection);
  r.get("upcast_attention", c.upcast_attention);
  std::string scale_shift = "default";
  r.get("resnet_time_scale_shift", scale_shift);
  check(scale_shift == "default" || scale_shift == "scale_shift", source,
        "resnet_time_scale_shift = '{}' is not supported, only default and scale_shift", scale_shift);
  c.scale_shift = scale_shift == "scale_shift";
  r.get("conv_in_kernel", c.conv_in_kernel);
  r.get("conv_out_kernel", c.conv_out_kernel);
  read_conditions(r, source, c);
  r.finish();
  return validated(c);
}

int64_t time_embed_dim(const UNet2DConditionConfig& c) {
  return c.time_embedding_dim > 0 ? c.time_embedding_dim : 4 * c.block_out_channels[0];
}

int64_t class_vector_dim(const UNet2DConditionConfig& c) {
  if (c.class_embed_type.empty()) return 0;
  if (c.class_embed_type == "timestep") return 1;
  return c.class_embed_type == "identity" ? time_embed_dim(c) : c.projection_class_embeddings_input_dim;
}

int64_t context_dim(const UNet2DConditionConfig& c) {
  for (size_t i = 0; i < c.block_out_channels.size(); ++i) {
    if (attends(c, i)) return c.encoder_hid_dim > 0 ? c.encoder_hid_dim : c.cross_attention_dim[i];
  }
  return 0;
}

}  // namespace langevin::nn
