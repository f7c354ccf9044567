// --precision auto: the precision that suits this machine.
#pragma once

#include <string>

#include "langevin/torch/parameters.h"

namespace langevin {

/// fp32 and bf16 as named; "auto" is bf16 on a GPU and on processors that multiply it faster than fp32
/// (kernels/processor.h), fp32 elsewhere. There bf16 is as fast and needs less memory, but rounds.
Precision choose_precision(const std::string& name, at::Device device);

}  // namespace langevin
