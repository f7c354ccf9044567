#include "langevin/model/policy_folder.h"

#include "langevin/core/atomic_file.h"

namespace langevin {
namespace fs = std::filesystem;
namespace {

constexpr size_t kLongest = 1 << 20;  // bytes of a config.json

fs::path config_beside(const fs::path& weights) { return weights.parent_path() / "config.json"; }

nlohmann::json read_config(const fs::path& weights) {
  return nlohmann::json::parse(read_file(config_beside(weights), kLongest), nullptr, false);
}

}  // namespace

bool is_policy_folder(const fs::path& weights) {
  std::error_code ignored;
  if (!fs::is_regular_file(config_beside(weights), ignored)) return false;
  const nlohmann::json config = read_config(weights);
  return config.is_object() && config.contains("input_dim") && config.contains("down_dims");
}

ModelSpec policy_folder_spec(const fs::path& weights) {
  const std::string source = config_beside(weights).string();
  const nlohmann::json config = read_config(weights);
  check(!config.is_discarded(), source, "is not valid JSON");
  ModelSpec spec;
  spec.network = nn::unet1d_config_from_json(config, source);
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
