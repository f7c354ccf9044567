#include "langevin/torch/cuda_device.h"

namespace langevin {

bool has_cuda_kernels(at::Device) { return false; }

cuda::Stream current_stream(at::Device device) {
  fail("built without CUDA: there are no kernels for {}; see docs/gpu.md", device.str());
}

}  // namespace langevin
