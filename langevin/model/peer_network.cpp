#include "langevin/model/peer_network.h"

#include <array>

#include "langevin/core/check.h"
#include "langevin/core/names.h"

namespace langevin {

using nlohmann::json;

const std::vector<PeerNetwork>& peer_networks() {
  static const std::vector<PeerNetwork> table{
      {"UNet2DModel", "unet",
       [](const json& config, const std::string& source, const TensorSet&) -> nn::NetworkConfig {
         return nn::unet2d_config_from_json(config, source);
       },
       current_attention_name,
       [](const nn::NetworkConfig& network) -> json {
         const auto* config = std::get_if<nn::UNet2DConfig>(&network);
         return config == nullptr ? json() : nn::to_json(*config);
       }},
  };
  return table;
}

const PeerNetwork& peer_network(const std::string& class_name, const std::string& source) {
  std::vector<std::string> known;
  for (const PeerNetwork& peer : peer_networks()) {
    if (peer.class_name == class_name) return peer;
    known.emplace_back(peer.class_name);
  }
  fail("{}: {}", source, unknown_name("class of networks", class_name, known));
}

std::string current_attention_name(const std::string& name) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kOld{
      {{"query", "to_q"}, {"key", "to_k"}, {"value", "to_v"}, {"proj_attn", "to_out.0"}}};
  const size_t dot = name.rfind('.');
  if (dot == std::string::npos || dot == 0) return name;
  const size_t before = name.rfind('.', dot - 1);
  if (before == std::string::npos || name.find("attentions.") == std::string::npos) return name;
  const std::string part = name.substr(before + 1, dot - before - 1);
  for (const auto& [old, now] : kOld) {
    if (part == old) return name.substr(0, before + 1) + std::string(now) + name.substr(dot);
  }
  return name;
}

}  // namespace langevin
