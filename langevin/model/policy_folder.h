// A network of Diffusion Policy as its users keep it: a folder with `config.json` (the arguments of its
// constructor) and `model.safetensors` (its state dict), whose tensors say whether it is a ConditionalUnet1D
// or a TransformerForDiffusion. Neither file says how it was trained; what the authors' recipe says is taken
// (Chi et al. 2303.04137): 100 timesteps of squaredcos_cap_v2, epsilon, actions scaled to [-1, 1] and clipped
// there.
#pragma once

#include <filesystem>

#include "langevin/io/tensor_set.h"
#include "langevin/model/spec.h"

namespace langevin {

/// `weights` is the model.safetensors of such a folder: config.json beside it has input_dim and names no
/// class of another project.
bool is_policy_folder(const std::filesystem::path& weights);

/// `tensors` are those of `weights`; the peer's attention masks, which follow from the configuration, are
/// checked against it and removed, and `model.` before names, as in a whole policy's state dict. Error names
/// the file and the key or tensor that is wrong or not honoured.
ModelSpec policy_folder_spec(const std::filesystem::path& weights, TensorSet& tensors);

}  // namespace langevin
