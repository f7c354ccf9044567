// What this processor computes fast: decides between ways of computing the same, never measured, so that the
// same machine always takes the same way.
#pragma once

namespace langevin {

/// AVX-512 with its byte, word and double-word parts: what oneDNN's fast kernels want.
bool has_avx512();

/// Whether products of bf16 matrices run at a higher rate than those of fp32: on tiles (AMX), or on vectors
/// of AMD's. Intel's vectors widen bf16 at half the rate; where neither is there, bf16 is emulated. Where
/// this is false, bf16 is a way to store numbers, and arithmetic is fp32.
bool has_fast_bf16();

}  // namespace langevin
