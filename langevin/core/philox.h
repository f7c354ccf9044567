// The arithmetic behind core/rng.h: Philox4x32-10 (Salmon et al., SC 2011) and the transform from its words
// to normal deviates, as functions that any compiler can put into its loops: rng.cpp for the CPU,
// kernels/cuda/ for GPUs.
//
// Only additions, multiplications and bit operations, so that the results are the same bits wherever a
// compiler does as it is told: a file that draws normal deviates must be built without fused multiply-adds
// (gcc and clang: -ffp-contract=off, nvcc: --fmad=false). The square root, which is not constexpr, is the
// caller's.
#pragma once

#include <bit>
#include <cstdint>

namespace langevin::philox {

// Table 2 and section 4 of the paper: multipliers and Weyl increments of Philox4x32.
inline constexpr uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
inline constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;

constexpr uint32_t high(uint64_t product) { return static_cast<uint32_t>(product >> 32); }

/// Ten rounds, in place: (c0, c1, c2, c3) is the counter and becomes the block, (k0, k1) the key.
constexpr void rounds(uint32_t& c0, uint32_t& c1, uint32_t& c2, uint32_t& c3, uint32_t k0, uint32_t k1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{kMultiplier0} * c0, p1 = uint64_t{kMultiplier1} * c2;
    c0 = high(p1) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(p1);
    c2 = high(p0) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(p0);
    k0 += kWeyl0;
    k1 += kWeyl1;
  }
}

/// (word + 1/2) 2^-32, rounded once: both halves are exact. In [2^-33, 1]; 1 only by rounding.
constexpr float unit(uint32_t word) {
  const float upper = static_cast<float>(static_cast<int32_t>(word >> 16));
  const float lower = static_cast<float>(static_cast<int32_t>(word & 0xFFFF));
  return (upper * 0x1p16f + (lower + 0.5f)) * 0x1p-32f;
}

/// -2 ln u with u = (word + 1/2) 2^-32: the square of Box and Muller's radius. u = 2^e (1 + f), f in
/// [sqrt(1/2) - 1, sqrt(2) - 1]. Near u = 1 (e = 0) f = -(1 - u) is taken from the complement of the word,
/// which keeps the digits that u itself has lost.
constexpr float radius_squared(uint32_t word) {
  constexpr uint32_t kRootHalf = 0x3F3504F3;  // bits of sqrt(1/2)
  const uint32_t bits = std::bit_cast<uint32_t>(unit(word)) - kRootHalf;
  const int32_t exponent = static_cast<int32_t>(bits) >> 23;
  const float mantissa = std::bit_cast<float>((bits & 0x007FFFFF) + kRootHalf);
  const uint32_t inner =
      static_cast<uint32_t>((exponent | -exponent) >> 31);  // all ones unless e = 0: no branch
  const uint32_t near_one = std::bit_cast<uint32_t>(-unit(~word));
  const float f =
      std::bit_cast<float>(near_one ^ ((near_one ^ std::bit_cast<uint32_t>(mantissa - 1.0f)) & inner));
  const float z = f * f;
  // ln(1 + f) = f - f^2/2 + f^3 P(f); P by Remez exchange, error of the logarithm below 2e-9.
  float p = -0.0786564276f;
  p = p * f + 0.128792748f;
  p = p * f - 0.131252602f;
  p = p * f + 0.141814083f;
  p = p * f - 0.166249722f;
  p = p * f + 0.200022832f;
  p = p * f - 0.250007957f;
  p = p * f + 0.333333164f;
  const float log1p = f + (p * f * z - 0.5f * z);
  const float minus_log = -(log1p + static_cast<float>(exponent) * 0.693147181f);
  return minus_log + minus_log;
}

struct Turn {
  float cosine, sine;
};

/// Cosine and sine of 2 pi (word + 1/2) 2^-32, by the nearest quarter turn and a remainder x in
/// [-pi/4, pi/4].
constexpr Turn turn(uint32_t word) {
  const uint32_t quarter = (word + 0x20000000u) >> 30;
  const auto rest = static_cast<int32_t>(word - (quarter << 30));
  const float x = (static_cast<float>(rest) + 0.5f) * 1.46291807926715968e-9f;  // 2 pi 2^-32
  const float z = x * x;
  // Remez exchange, errors below 4e-9 and 1e-10.
  const float s = x + x * z * (-0.166666552f + z * (0.008332178f - z * 0.000195172979f));
  const float c = 1.0f - 0.5f * z + z * z * (0.0416666456f + z * (-0.00138873677f + z * 2.44384519e-05f));
  // A quarter turn swaps the two; the signs follow from bit 1 of the quarter and of the quarter after it.
  const uint32_t swap = 0u - (quarter & 1u);
  const uint32_t sb = std::bit_cast<uint32_t>(s), cb = std::bit_cast<uint32_t>(c);
  const uint32_t exchange = (sb ^ cb) & swap;
  const uint32_t cosine_sign = ((quarter + 1u) & 2u) << 30, sine_sign = (quarter & 2u) << 30;
  return {std::bit_cast<float>((cb ^ exchange) ^ cosine_sign),
          std::bit_cast<float>((sb ^ exchange) ^ sine_sign)};
}

}  // namespace langevin::philox
