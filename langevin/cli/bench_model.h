// A model file with random weights, for measuring what begins with a file.
#pragma once

#include <filesystem>

#include "langevin/model/model_file.h"
#include "langevin/nn/cost.h"

namespace langevin::cli {

/// A folder in the system's place for temporary files that goes away with its content.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Writes `spec` with weights near enough to those that training starts from: no zeros that a processor could
/// pass over. Returns the file, opened.
ModelFile write_random_model(const ModelSpec& spec, const std::filesystem::path& path);

}  // namespace langevin::cli
