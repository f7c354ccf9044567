// The emulated side of device.h: a kernel compiled as C++ runs on the CPU, block after block, the threads of
// a block as fibers that change over at barriers. For tests; slow, and no measure of speed.
//
// What it catches: wrong indices (arrays of exact size under a sanitizer), loads that are not aligned (an
// Error), reads of shared memory that nobody wrote (it holds NaN), barriers that not all threads reach (an
// Error), and, by running threads and blocks in other orders, missing barriers and sums whose order is left
// to chance.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>

#include "langevin/kernels/bf16.h"
#include "langevin/kernels/cuda/require.h"
#include "langevin/kernels/cuda/stream.h"

#define __global__
#define __device__
#define __launch_bounds__(...)

namespace langevin::cuda::emulation {

struct Index {
  unsigned x = 0;
};

/// In which order the threads between two barriers, and the blocks of a launch, take their turns.
enum class Order { forward, backward, shuffled };
void set_order(Order order);

/// Calls body for every thread of every block.
void run(int64_t blocks, int threads, size_t shared, const std::function<void()>& body);
void* shared_bytes();
void barrier();
void stop_at(const char* mistake);  // the launch fails

}  // namespace langevin::cuda::emulation

// CUDA's own names, of the thread whose turn it is.
inline thread_local langevin::cuda::emulation::Index threadIdx, blockIdx, blockDim, gridDim;
inline void __syncthreads() { langevin::cuda::emulation::barrier(); }

namespace langevin::cuda {

struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};

template <class T>
T* shared_memory() {
  return static_cast<T*>(emulation::shared_bytes());
}

inline float exp_fast(float x) { return std::exp(x); }
inline float divide_fast(float a, float b) { return a / b; }

inline uint32_t pack_bf16(float low, float high) {
  return to_bf16(low).bits | static_cast<uint32_t>(to_bf16(high).bits) << 16;
}

inline void check_aligned(const void* address) {
  if (reinterpret_cast<uintptr_t>(address) % 16 != 0)
    emulation::stop_at("16 bytes at an address that is not divisible by 16");
}
inline uint4 load16(const void* from) {
  check_aligned(from);
  return *static_cast<const uint4*>(from);
}
inline void store16(void* to, const uint4& value) {
  check_aligned(to);
  *static_cast<uint4*>(to) = value;
}

template <class... Parameters, class... Arguments>
void launch(const char*, void (*kernel)(Parameters...), int64_t blocks, int threads, size_t shared, Stream,
            Arguments... arguments) {
  emulation::run(blocks, threads, shared, [&] { kernel(Parameters(arguments)...); });
}

}  // namespace langevin::cuda
