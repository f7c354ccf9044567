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
/// UsageError on a backend that is unknown or cannot have the device asked for.
void check_backend(const BackendOptions& options);
/// Loads what the backend needs and gives it the model. auto: libtorch where a GPU is asked for or there,
/// else the runtime. Warns of a processor that the runtime has no fast code for.
std::unique_ptr<Engine> open_engine(ModelFile model, const BackendOptions& options, Console& console);

}  // namespace langevin::cli
