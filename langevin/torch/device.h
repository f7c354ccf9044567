// Devices and threads of the libtorch wing.
#pragma once

#include <string>

#include "langevin/torch/compat.h"

namespace langevin {

/// auto | cpu | cuda. Error if cuda is asked for and absent.
at::Device choose_device(const std::string& name);
/// Sets libtorch's and OpenMP's thread count; 0: one a core. Returns the number.
int64_t set_threads(int64_t threads);

/// A copy on the device. On a GPU it comes in the order of the stream, from pinned memory: the host goes on.
at::Tensor to_device(const at::Tensor& host, at::Device device);

}  // namespace langevin
