// The gradient of a classifier of x_t, for guidance (sample/classifier_guidance.h), by autograd.
#pragma once

#include "langevin/diffusion/target.h"
#include "langevin/sample/classifier_guidance.h"
#include "langevin/torch/interpreter.h"
#include "langevin/torch/torch_array.h"

namespace langevin {

/// grad_x log p(class | x_t) of a network that answers with logits (B,K) and was trained on that target's
/// x_t. Both must outlive the result. Error where the device's libtorch has no gradient of an operator.
ClassifierGradient<TorchArray> classifier_gradient(TorchNetwork& network, const Target& target);

}  // namespace langevin
