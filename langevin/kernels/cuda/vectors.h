// Runs of V elements between memory and registers: V = 8 where addresses and sizes allow 16-byte accesses,
// V = 1 otherwise. Arithmetic is fp32 whatever the type in memory. Internal to this folder.
#pragma once

#include <cstdint>

#include "langevin/kernels/bf16.h"
#include "langevin/kernels/cuda/device.h"

namespace langevin::cuda {

inline constexpr int kVector = 8;

/// Whether an address may be the first of vectors: null (an absent array) or divisible by 16.
inline bool vectors_at(const void* address) { return reinterpret_cast<uintptr_t>(address) % 16 == 0; }

__device__ inline float as_float(uint32_t bits) { return std::bit_cast<float>(bits); }

__device__ inline void unpack_bf16(uint32_t two, float* to) {
  to[0] = as_float(two << 16);
  to[1] = as_float(two & 0xffff0000u);
}

template <int V>
__device__ inline void load(const float* from, float (&to)[V]) {
  if constexpr (V == kVector) {
    for (int half = 0; half < 2; ++half) {
      const uint4 four = load16(from + 4 * half);
      to[4 * half] = as_float(four.x);
      to[4 * half + 1] = as_float(four.y);
      to[4 * half + 2] = as_float(four.z);
      to[4 * half + 3] = as_float(four.w);
    }
  } else {
    static_assert(V == 1);
    to[0] = from[0];
  }
}

template <int V>
__device__ inline void load(const BF16* from, float (&to)[V]) {
  if constexpr (V == kVector) {
    const uint4 eight = load16(from);
    unpack_bf16(eight.x, to);
    unpack_bf16(eight.y, to + 2);
    unpack_bf16(eight.z, to + 4);
    unpack_bf16(eight.w, to + 6);
  } else {
    static_assert(V == 1);
    to[0] = as_float(static_cast<uint32_t>(from->bits) << 16);
  }
}

template <int V>
__device__ inline void store(const float (&from)[V], float* to) {
  if constexpr (V == kVector) {
    for (int half = 0; half < 2; ++half) {
      const float* four = from + 4 * half;
      store16(to + 4 * half, {std::bit_cast<uint32_t>(four[0]), std::bit_cast<uint32_t>(four[1]),
                              std::bit_cast<uint32_t>(four[2]), std::bit_cast<uint32_t>(four[3])});
    }
  } else {
    static_assert(V == 1);
    to[0] = from[0];
  }
}

template <int V>
__device__ inline void store(const float (&from)[V], BF16* to) {
  if constexpr (V == kVector) {
    store16(to, {pack_bf16(from[0], from[1]), pack_bf16(from[2], from[3]), pack_bf16(from[4], from[5]),
                 pack_bf16(from[6], from[7])});
  } else {
    static_assert(V == 1);
    to->bits = static_cast<uint16_t>(pack_bf16(from[0], 0));
  }
}

template <class T>
__device__ inline float load_one(const T* from) {
  float value[1];
  load<1>(from, value);
  return value[0];
}

/// SiLU and its derivative at z: Elfwing et al. 1702.03118.
struct Silu {
  float value, slope;
};
__device__ inline Silu silu_of(float z) {
  const float gate = divide_fast(1.0F, 1.0F + exp_fast(-z));
  return {z * gate, gate * (1.0F + z * (1.0F - gate))};
}

}  // namespace langevin::cuda
