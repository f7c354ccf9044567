#include "langevin/kernels/cuda/memory.h"

#include "langevin/kernels/cuda/device.h"

namespace langevin::cuda {
namespace {

void check_cuda(cudaError_t error, const char* function) {
  require(error == cudaSuccess, function, cudaGetErrorString(error));
}

}  // namespace

int device_count() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

std::string device_name() {
  int device = 0;
  check_cuda(cudaGetDevice(&device), "device_name");
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, device), "device_name");
  return properties.name;
}

void* allocate(size_t bytes) {
  void* memory = nullptr;
  check_cuda(cudaMalloc(&memory, bytes), "allocate");
  return memory;
}

void release(void* memory) { cudaFree(memory); }

void copy(void* to, const void* from, size_t bytes, Stream stream) {
  check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, static_cast<cudaStream_t>(stream)), "copy");
}

void wait(Stream stream) { check_cuda(cudaStreamSynchronize(static_cast<cudaStream_t>(stream)), "wait"); }

}  // namespace langevin::cuda
