// Classes of networks that diffusers has and this house runs: one registry, from the name in a config.json
// (`_class_name`) to what reads the configuration and what its weights are called.
//
// To add a class: write the network in nn/ (its parameters under the peer's names, its reader over
// nn/config_reader.h refusing by name every key it does not honour), make it an alternative of
// nn::NetworkConfig (nn/network.h), and add one entry to the table in peer_network.cpp. Folders, shards, old
// names of weights, `import`, `export` and every MODEL argument then know it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "langevin/io/tensor_set.h"
#include "langevin/nn/network.h"

namespace langevin {

struct PeerNetwork {
  std::string_view class_name;  // `_class_name` of its config.json
  std::string_view component;   // its folder in a pipeline: "unet"
  /// The network of a config.json; `weights` (under their current names) say what the configuration leaves
  /// open between versions. Error naming `source` and the key or value that is not honoured.
  nn::NetworkConfig (*read)(const nlohmann::json& config, const std::string& source,
                            const TensorSet& weights);
  /// The name that a parameter has now, from the one that an older version of the peer gave it.
  std::string (*current_name)(const std::string& name);
  /// The peer's config.json of a network of this class; null: another class.
  nlohmann::json (*write)(const nn::NetworkConfig& config);
};

const std::vector<PeerNetwork>& peer_networks();

/// Error naming `source` and the nearest class there is.
const PeerNetwork& peer_network(const std::string& class_name, const std::string& source);

/// Attention was once `query`, `key`, `value` and `proj_attn`; now it is `to_q`, `to_k`, `to_v` and
/// `to_out.0`.
std::string current_attention_name(const std::string& name);

}  // namespace langevin
