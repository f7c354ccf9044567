// Every network of the house under one name, so that files, interpreters and trainers need not know which it
// is.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <variant>

#include "langevin/nn/unet2d.h"

namespace langevin::nn {

/// A network's configuration. A new network is one more alternative, one more case below.
using NetworkConfig = std::variant<UNet2DConfig>;

/// {"type": "unet2d", ...the peer's keys}, both ways; errors name `source` and the key.
nlohmann::json to_json(const NetworkConfig& config);
NetworkConfig network_from_json(const nlohmann::json& json, const std::string& source);

/// Applies the network that `config` describes.
template <class B>
typename B::Value apply(B& b, const NetworkConfig& config, const Inputs<typename B::Value>& in) {
  return unet2d(b, std::get<UNet2DConfig>(config), in);
}

/// (N,C,H,W) of the network's input for a batch of n.
Shape input_shape(const NetworkConfig& config, int64_t n);
/// Number of class embeddings, 0 if unconditional.
int64_t class_count(const NetworkConfig& config);

}  // namespace langevin::nn
