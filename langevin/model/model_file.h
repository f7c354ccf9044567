// Reading and writing models (contract 6). Whatever takes a MODEL takes a run folder, a checkpoint, a model
// file, or a folder of Diffusion Policy's (model/policy_folder.h).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "langevin/io/safetensors.h"
#include "langevin/model/spec.h"

namespace langevin {

inline constexpr const char* spec_key = "langevin";  // metadata key of the description
inline constexpr const char* ema_prefix = "ema.";    // where a checkpoint keeps the weights that are used

/// An open model: description and memory-mapped weights.
struct ModelFile {
  std::filesystem::path path;  // the file itself
  ModelSpec spec;
  SafetensorsFile file;
  std::string prefix;  // of the weights' names: "" in a model file, "ema." in a checkpoint
  std::vector<std::string> passed_over = {};  // what is wrong with newer files of the run, a line each
  HostArrayF tensor(const std::string& name) const { return file.to_float(prefix + name); }
};

/// MODEL as users name it: a run folder (its model.safetensors, else its newest checkpoint that is whole;
/// what was damaged is in `passed_over`, to be told), a checkpoint, a model file or a folder of Diffusion
/// Policy's. Checks the checksum, the description, and that every parameter of the network is there with its
/// shape and nothing else is. Error names both sides of a mismatch.
ModelFile open_model(const std::filesystem::path& model);

void write_model(const std::filesystem::path& path, const ModelSpec& spec,
                 const std::vector<TensorOut>& tensors);

/// Checkpoints of a run, oldest first: checkpoints/step-00001234.safetensors.
std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& run);
std::filesystem::path checkpoint_path(const std::filesystem::path& run, int64_t step);

}  // namespace langevin
