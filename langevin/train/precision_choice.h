// --precision auto: which precision computes convolutions faster on this machine.
#pragma once

#include <string>

#include "langevin/torch/parameters.h"

namespace langevin {

/// fp32 and bf16 as named; "auto" times one convolution, forward and backward, in both (a few tens of
/// milliseconds) and takes bf16 only if it is at least 1.25 times as fast. Processors without fast bf16
/// arithmetic lose by it.
Precision choose_precision(const std::string& name, at::Device device);

}  // namespace langevin
