#include "langevin/model/policy_folder.h"

#include <cmath>
#include <string_view>

#include "langevin/core/atomic_file.h"

namespace langevin {
namespace fs = std::filesystem;
namespace {

constexpr size_t kLongest = 1 << 20;  // bytes of a config.json

fs::path config_beside(const fs::path& weights) { return weights.parent_path() / "config.json"; }

nlohmann::json read_config(const fs::path& weights) {
  return nlohmann::json::parse(read_file(config_beside(weights), kLongest), nullptr, false);
}

/// The peer keeps its masks as tensors: 0 where the query at t sees the key at s <= t + ahead, else
/// -infinity.
void take_mask(TensorSet& tensors, const std::string& name, const Shape& shape,
               std::optional<int64_t> ahead) {
  if (!tensors.contains(name)) return;
  check(ahead.has_value(), tensors.source(), "has {}, but config.json describes a network without it", name);
  check(tensors.at(name).shape == shape, tensors.source(), "{} is {}, config.json describes {}", name,
        to_string(tensors.at(name).shape), to_string(shape));
  const HostArrayF mask = tensors.to_float(name);
  for (int64_t t = 0; t < shape[0]; ++t) {
    for (int64_t s = 0; s < shape[1]; ++s) {
      const float want = s <= t + *ahead ? 0.0F : -INFINITY;
      check(mask[t * shape[1] + s] == want, tensors.source(),
            "{} at ({}, {}) is {}, but this network masks with {}", name, t, s, mask[t * shape[1] + s], want);
    }
  }
  tensors.remove(name);
}

/// What the peer's state dict holds beside parameters.
void take_buffers(TensorSet& tensors, const nn::TransformerPolicyConfig& c) {
  constexpr const char* kDummy = "_dummy_variable";  // the peer's way to know its device
  if (tensors.contains(kDummy) && tensors.at(kDummy).shape == Shape{0}) tensors.remove(kDummy);
  using Ahead = std::optional<int64_t>;
  const int64_t actions = c.horizon + (c.time_as_cond ? 0 : 1);
  take_mask(tensors, "mask", {actions, actions}, c.causal_attn ? Ahead(0) : Ahead());
  take_mask(tensors, "memory_mask", {c.horizon, 1 + c.n_obs_steps},
            c.causal_attn && c.cond_dim > 0 ? Ahead(1) : Ahead());
}

/// A whole policy's state dict holds its network as `model.`; what else is in there is refused by name.
void take_network(TensorSet& tensors) {
  constexpr std::string_view kNetwork = "model.";
  tensors.rename([&](const std::string& name) {
    return name.starts_with(kNetwork) ? name.substr(kNetwork.size()) : name;
  });
}

}  // namespace

bool is_policy_folder(const fs::path& weights) {
  std::error_code ignored;
  if (!fs::is_regular_file(config_beside(weights), ignored)) return false;
  const nlohmann::json config = read_config(weights);
  return config.is_object() && config.contains("input_dim") && !config.contains("_class_name");
}

ModelSpec policy_folder_spec(const fs::path& weights, TensorSet& tensors) {
  const std::string source = config_beside(weights).string();
  const nlohmann::json config = read_config(weights);
  check(!config.is_discarded(), source, "is not valid JSON");
  take_network(tensors);
  ModelSpec spec;
  if (tensors.contains("input_emb.weight")) {
    const auto transformer = nn::transformer_policy_config_from_json(config, source);
    take_buffers(tensors, transformer);
    spec.network = transformer;
  } else {
    spec.network = nn::unet1d_config_from_json(config, source);
  }
  spec.schedule.kind = "cosine";
  spec.schedule.timesteps = 100;
  spec.prediction = PredictionType::epsilon;
  spec.normaliser_offset = 0;
  spec.normaliser_scale = 1;
  spec.units = "actions scaled to [-1, 1]";
  spec.provenance = {{"imported_from", "Diffusion Policy"}};
  return spec;
}

}  // namespace langevin
