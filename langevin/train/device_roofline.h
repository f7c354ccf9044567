// The ceilings of a GPU, as runtime/roofline.h measures those of the processor: what libtorch's own
// convolutions and products (cuDNN, cuBLAS) reach when nothing stands around them, and how fast memory moves.
#pragma once

#include "langevin/runtime/roofline.h"
#include "langevin/torch/compat.h"

namespace langevin {

/// `memory` counts bytes read and bytes written of a copy; `threads` is 0, int8 is not measured. `size` 1
/// fills a large GPU (about 2 GB, a second or two); tests take less.
Roofline measure_device_roofline(at::Device device, double size = 1);

}  // namespace langevin
