// A ConditionalUnet1D as Diffusion Policy's users keep it: a folder with `config.json` (the arguments of its
// constructor) and `model.safetensors` (its state dict). Neither says how it was trained; what the authors'
// recipe says is taken (Chi et al. 2303.04137): 100 timesteps of squaredcos_cap_v2, epsilon, actions scaled
// to
// [-1, 1] and clipped there.
#pragma once

#include <filesystem>

#include "langevin/model/spec.h"

namespace langevin {

/// `weights` is the model.safetensors of such a folder: config.json beside it has input_dim and down_dims.
bool is_policy_folder(const std::filesystem::path& weights);
/// Error names config.json and the key that is wrong or not honoured.
ModelSpec policy_folder_spec(const std::filesystem::path& weights);

}  // namespace langevin
