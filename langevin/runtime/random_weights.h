// Weights for measuring: no file, no training.
#pragma once

#include "langevin/nn/cost.h"
#include "langevin/runtime/weights.h"

namespace langevin::runtime {

/// Normal weights that keep activations of order one; the same each time.
Weights random_weights(const nn::CostInterpreter& cost);

}  // namespace langevin::runtime
