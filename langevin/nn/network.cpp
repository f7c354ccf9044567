#include "langevin/nn/network.h"

#include "langevin/core/config.h"

namespace langevin::nn {

nlohmann::json to_json(const NetworkConfig& config) {
  nlohmann::json json = std::visit([](const auto& c) { return to_json(c); }, config);
  json["type"] = std::holds_alternative<UNet1DConfig>(config) ? "unet1d" : "unet2d";
  return json;
}

NetworkConfig network_from_json(const nlohmann::json& json, const std::string& source) {
  check(json.is_object() && json.contains("type") && json["type"].is_string(), source,
        "the network has no 'type'; this is not a model of this project");
  const auto type = json["type"].get<std::string>();
  nlohmann::json rest = json;
  rest.erase("type");
  if (type == "unet1d") return unet1d_config_from_json(rest, source);
  check(type == "unet2d", source, "{}", unknown_name("network type", type, {"unet1d", "unet2d"}));
  return unet2d_config_from_json(rest, source);
}

Shape input_shape(const NetworkConfig& config, int64_t n) {
  if (const auto* c = std::get_if<UNet1DConfig>(&config)) return {n, c->input_dim, c->horizon};
  const auto& c = std::get<UNet2DConfig>(config);
  return {n, c.in_channels, c.sample_height, c.sample_width};
}

int64_t class_count(const NetworkConfig& config) {
  const auto* c = std::get_if<UNet2DConfig>(&config);
  return c == nullptr ? 0 : c->num_class_embeds;
}

int64_t global_cond_dim(const NetworkConfig& config) {
  const auto* c = std::get_if<UNet1DConfig>(&config);
  return c == nullptr ? 0 : c->global_cond_dim;
}

CostInterpreter cost_of(const NetworkConfig& config, int64_t n) {
  CostInterpreter cost;
  const Shape x = input_shape(config, n), t{n}, labels{n}, global_cond{n, global_cond_dim(config)};
  apply(cost, config,
        {x, t, class_count(config) > 0 ? &labels : nullptr, global_cond[1] > 0 ? &global_cond : nullptr});
  return cost;
}

}  // namespace langevin::nn
