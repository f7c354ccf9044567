// The libtorch engine: a model file becomes a network on the CPU or a GPU, driven by the samplers of sample/.
#pragma once

#include <memory>
#include <string>

#include "langevin/model/engine.h"

namespace langevin {

/// Error: weights that do not fit (open_model has checked already), a device this build or machine has not.
std::unique_ptr<Engine> open_torch_engine(ModelFile model, const EngineOptions& options);

}  // namespace langevin
