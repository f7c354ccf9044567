// Activation checkpointing: Chen et al. 2016, arXiv:1604.06174.
#pragma once

#include <vector>

#include "langevin/torch/kept.h"

namespace langevin {

/// f(inputs), one or two, differentiable, keeping only the inputs: what lies between is computed again in the
/// backward pass. f must give the same bits each time, and what it refers to must live until then. The
/// gradients are those of a plain call, but for the order in which an input used twice sums its own.
at::Tensor recomputed(const TensorFunction& f, const std::vector<at::Tensor>& inputs);

}  // namespace langevin
