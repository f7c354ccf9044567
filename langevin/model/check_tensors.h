// Whether the tensors of a file are those of a network.
#pragma once

#include <vector>

#include "langevin/io/tensor_set.h"
#include "langevin/nn/cost.h"

namespace langevin {

/// Error, naming the file, the tensor and both sides, unless every parameter is there with its shape as
/// floating-point numbers, and nothing else is.
void check_tensors(const TensorSet& tensors, const std::vector<nn::ParameterSpec>& parameters);

}  // namespace langevin
