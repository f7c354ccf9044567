#include "langevin/model/peer_network.h"

#include <array>

#include "langevin/core/check.h"
#include "langevin/core/names.h"

namespace langevin {

using nlohmann::json;

namespace {

template <auto read>
nn::NetworkConfig read_with(const json& config, const std::string& source, const TensorSet&) {
  return read(config, source);
}

template <class Config>
json write_as(const nn::NetworkConfig& network) {
  const auto* config = std::get_if<Config>(&network);
  return config == nullptr ? json() : nn::to_json(*config);
}

}  // namespace

const std::vector<PeerNetwork>& peer_networks() {
  static const std::vector<PeerNetwork> table{
      {"UNet2DModel", "unet", read_with<nn::unet2d_config_from_json>, current_attention_name,
       write_as<nn::UNet2DConfig>},
      {"UNet2DConditionModel", "unet", read_with<nn::unet2d_condition_config_from_json>,
       current_attention_name, write_as<nn::UNet2DConditionConfig>},
      {"AutoencoderKL", "vae", read_with<nn::autoencoder_kl_config_from_json>, current_attention_name,
       write_as<nn::AutoencoderKLConfig>},
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
