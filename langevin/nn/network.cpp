#include "langevin/nn/network.h"

#include "langevin/core/config.h"

namespace langevin::nn {

nlohmann::json to_json(const NetworkConfig& config) {
  nlohmann::json json = to_json(std::get<UNet2DConfig>(config));
  json["type"] = "unet2d";
  return json;
}

NetworkConfig network_from_json(const nlohmann::json& json, const std::string& source) {
  check(json.is_object() && json.contains("type") && json["type"].is_string(), source,
        "the network has no 'type'; this is not a model of this project");
  const auto type = json["type"].get<std::string>();
  check(type == "unet2d", source, "{}", unknown_name("network type", type, {"unet2d"}));
  nlohmann::json rest = json;
  rest.erase("type");
  return unet2d_config_from_json(rest, source);
}

Shape input_shape(const NetworkConfig& config, int64_t n) {
  const auto& c = std::get<UNet2DConfig>(config);
  return {n, c.in_channels, c.sample_height, c.sample_width};
}

int64_t class_count(const NetworkConfig& config) { return std::get<UNet2DConfig>(config).num_class_embeds; }

}  // namespace langevin::nn
