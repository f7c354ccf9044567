// Reading and writing models (contract 6). Whatever takes a MODEL takes a run folder, a checkpoint, a model
// file, or a folder of another project: diffusers (model/diffusers_folder.h), Diffusion Policy
// (model/policy_folder.h).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "langevin/io/tensor_set.h"
#include "langevin/model/spec.h"

namespace langevin {

inline constexpr const char* spec_key = "langevin";  // metadata key of the description
inline constexpr const char* ema_key = "ema";        // and of a snapshot of averages (ema_snapshots.h)
inline constexpr const char* ema_prefix = "ema.";    // where a checkpoint keeps the weights that are used

/// An open model: description and memory-mapped weights.
struct ModelFile {
  std::filesystem::path path;  // the file itself, or the folder of another project
  ModelSpec spec;
  TensorSet weights;                    // under the network's names
  bool foreign = false;                 // another project's: the description is what its files say
  std::vector<std::string> notes = {};  // for the user, a line each: what was passed over or assumed
  HostArrayF tensor(const std::string& name) const { return weights.to_float(name); }
  /// The metadata entry of that key; "" where there is none.
  std::string metadata(const std::string& key) const;
};

/// MODEL as users name it: a run folder (its model.safetensors, else its newest checkpoint that is whole;
/// what was damaged is in `notes`, to be told), a checkpoint, a model file or a folder of another project.
/// Checks the checksum, the description, and that every parameter of the network is there with its
/// shape and nothing else is. Error names both sides of a mismatch.
ModelFile open_model(const std::filesystem::path& model);

void write_model(const std::filesystem::path& path, const ModelSpec& spec,
                 const std::vector<TensorOut>& tensors);

/// Checkpoints of a run, oldest first: checkpoints/step-00001234.safetensors.
std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& run);
std::filesystem::path checkpoint_path(const std::filesystem::path& run, int64_t step);

}  // namespace langevin
