// bfloat16 as plain storage: the upper half of a float. Arithmetic is always done in fp32.
#pragma once

#include <bit>
#include <cstdint>

namespace langevin {

/// One bfloat16 value in memory: sign, 8 bits of exponent, 7 bits of fraction. Same bytes as at::BFloat16.
struct BF16 {
  uint16_t bits = 0;
};
static_assert(sizeof(BF16) == 2);

/// Exact.
inline float to_float(BF16 value) { return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16); }
inline float to_float(float value) { return value; }

/// Rounds to the nearest bfloat16, ties to even; overflow becomes infinity, a NaN stays a (quiet) NaN of its
/// sign.
inline BF16 to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const bool is_nan = (bits & 0x7fffffffU) > 0x7f800000U;
  const uint32_t rounded = is_nan ? bits | 0x00400000U : bits + 0x7fffU + ((bits >> 16) & 1U);
  return BF16{static_cast<uint16_t>(rounded >> 16)};
}

}  // namespace langevin
