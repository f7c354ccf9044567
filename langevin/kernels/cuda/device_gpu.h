// The GPU side of device.h; read by nvcc alone. Each function here has its twin in emulation.h.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "langevin/kernels/cuda/require.h"
#include "langevin/kernels/cuda/stream.h"

namespace langevin::cuda {

/// The block's dynamic shared memory.
template <class T>
__device__ T* shared_memory() {
  extern __shared__ __align__(16) unsigned char bytes[];
  return reinterpret_cast<T*>(bytes);
}

/// e^x and a / b to about 2 units in the last place, from the special function units; b up to 2^126, beyond
/// it 0.
__device__ inline float exp_fast(float x) { return __expf(x); }
__device__ inline float divide_fast(float a, float b) { return __fdividef(a, b); }

/// Two values rounded to bfloat16 (ties to even), the first in the lower half.
__device__ inline uint32_t pack_bf16(float low, float high) {
  uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}

/// 16 bytes at once, from and to addresses divisible by 16.
__device__ inline uint4 load16(const void* from) { return *static_cast<const uint4*>(from); }
__device__ inline void store16(void* to, const uint4& value) { *static_cast<uint4*>(to) = value; }

/// Starts `blocks` blocks of `threads` threads. Error, naming the function, if CUDA refuses.
template <class... Parameters, class... Arguments>
void launch(const char* function, void (*kernel)(Parameters...), int64_t blocks, int threads, size_t shared,
            Stream stream, Arguments... arguments) {
  if (blocks == 0) return;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(blocks));
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.dynamicSmemBytes = shared;
  config.stream = static_cast<cudaStream_t>(stream);
  const cudaError_t error = cudaLaunchKernelEx(&config, kernel, Parameters(arguments)...);
  require(error == cudaSuccess, function, cudaGetErrorString(error));
}

}  // namespace langevin::cuda
