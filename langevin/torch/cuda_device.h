// A GPU as our own kernels see it. cuda_device.cpp is compiled where nvcc is and libtorch has CUDA
// (LANGEVIN_TORCH_CUDA, cmake/torch.cmake); elsewhere cuda_device_absent.cpp takes its place, and a GPU that
// libtorch may still have is used through its own operators alone.
#pragma once

#include "langevin/kernels/cuda/stream.h"
#include "langevin/torch/compat.h"

namespace langevin {

/// Whether the kernels of kernels/cuda take the memory of this device: it is a GPU and they were built.
bool has_cuda_kernels(at::Device device);

/// libtorch's current stream of the device, where kernels put their work.
cuda::Stream current_stream(at::Device device);

/// While it lives the device is the current one, and `stream` the one to use.
struct OnDevice {
  explicit OnDevice(at::Device device) : guard(device), stream(current_stream(device)) {}
  c10::DeviceGuard guard;
  cuda::Stream stream;
};

/// Memory of a call, given back in the order of the stream.
inline at::Tensor bytes_on(at::Device device, int64_t bytes) {
  return at::empty({bytes}, at::TensorOptions(at::kByte).device(device));
}

}  // namespace langevin
