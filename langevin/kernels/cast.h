// Conversion between float and bfloat16 arrays, vectorised and threaded.
#pragma once

#include <cstdint>

#include "langevin/kernels/bf16.h"

namespace langevin {

/// to[i] = to_bf16(from[i]) for i < n: nearest, ties to even, NaN kept. The arrays must not overlap.
void cast(const float* from, BF16* to, int64_t n);

/// to[i] = to_float(from[i]) for i < n, exact. The arrays must not overlap.
void cast(const BF16* from, float* to, int64_t n);

namespace reference {
void cast(const float* from, BF16* to, int64_t n);
void cast(const BF16* from, float* to, int64_t n);
}  // namespace reference

}  // namespace langevin
