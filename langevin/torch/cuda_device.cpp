#include "langevin/torch/cuda_device.h"

#include <c10/cuda/CUDAStream.h>

namespace langevin {

bool has_cuda_kernels(at::Device device) { return device.is_cuda(); }

cuda::Stream current_stream(at::Device device) {
  return c10::cuda::getCurrentCUDAStream(device.index()).stream();
}

}  // namespace langevin
