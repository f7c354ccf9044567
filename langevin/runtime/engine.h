// The inference engine of the first wing: a model file on the CPU, without libtorch.
#pragma once

#include <memory>

#include "langevin/model/engine.h"

namespace langevin {

/// options.device must be auto or cpu. The weights stay in the mapped file; what oneDNN wants in another
/// layout is packed when the first size of batch is known. Error: a precision this processor has not.
std::unique_ptr<Engine> open_runtime_engine(ModelFile model, const EngineOptions& options);

}  // namespace langevin
