// Folders as diffusers writes them:
//   a pipeline    model_index.json, <component>/config.json + weights, scheduler/scheduler_config.json
//   a component   config.json + weights (perhaps scheduler_config.json beside them)
//   all in one    model_index.json, config.json, scheduler_config.json and weights side by side
// Weights are one .safetensors or shards with an index. What such a folder says and this house cannot do is
// refused by name.
#pragma once

#include <filesystem>

#include "langevin/model/model_file.h"

namespace langevin {

/// `folder` holds a model_index.json, or a config.json that names its class, or a component that does.
bool is_diffusers_folder(const std::filesystem::path& folder);

/// The network of the folder (one of model/peer_network.h) and its scheduler. Error naming file and key.
ModelFile open_diffusers_folder(const std::filesystem::path& folder);

}  // namespace langevin
