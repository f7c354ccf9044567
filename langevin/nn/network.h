// Every network of the house under one name, so that files, interpreters and trainers need not know which it
// is.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <variant>

#include "langevin/nn/cost.h"
#include "langevin/nn/unet1d.h"
#include "langevin/nn/unet2d.h"

namespace langevin::nn {

/// A network's configuration. A new network is one more alternative, one more case below.
using NetworkConfig = std::variant<UNet2DConfig, UNet1DConfig>;

/// {"type": "unet2d", ...the peer's keys}, both ways; errors name `source` and the key.
nlohmann::json to_json(const NetworkConfig& config);
NetworkConfig network_from_json(const nlohmann::json& json, const std::string& source);

/// Applies the network that `config` describes.
template <class B>
typename B::Value apply(B& b, const NetworkConfig& config, const Inputs<typename B::Value>& in) {
  if (const auto* c = std::get_if<UNet1DConfig>(&config)) return unet1d(b, *c, in);
  return unet2d(b, std::get<UNet2DConfig>(config), in);
}

/// (N,C,H,W), or (N,C,L) of a network of sequences, of the network's input for a batch of n.
Shape input_shape(const NetworkConfig& config, int64_t n);
/// Number of class embeddings, 0 if unconditional.
int64_t class_count(const NetworkConfig& config);
/// Width D of `global_cond` (N,D), 0 if the network takes none.
int64_t global_cond_dim(const NetworkConfig& config);

/// The cost interpreter after one call on a batch of n at the configured size, with every condition given.
CostInterpreter cost_of(const NetworkConfig& config, int64_t n = 1);

}  // namespace langevin::nn
