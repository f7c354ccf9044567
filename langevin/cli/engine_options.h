// --backend, --device, --precision, --threads: which engine runs a model.
#pragma once

#include <memory>
#include <string>

#include "langevin/cli/command.h"
#include "langevin/model/engine.h"

namespace langevin::cli {

struct BackendOptions {
  std::string backend = "auto";
  EngineOptions engine;
};

void add_backend(CLI::App& app, BackendOptions& options);
/// UsageError on a backend that is unknown or not in this build.
void check_backend(const BackendOptions& options);
/// Loads what the backend needs and gives it the model.
std::unique_ptr<Engine> open_engine(ModelFile model, const BackendOptions& options);

}  // namespace langevin::cli
