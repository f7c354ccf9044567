// The random bits of a dropout mask, drawn where they are needed. Internal to this folder.
#pragma once

#include <algorithm>
#include <cmath>

#include "langevin/core/philox.h"
#include "langevin/kernels/cuda/dropout.h"
#include "langevin/kernels/cuda/vectors.h"

namespace langevin::cuda {

/// A DropoutMask as kernels take it.
struct Mask {
  uint32_t key0 = 0, key1 = 0, purpose = 0, step = 0;
  uint64_t sample = 0;
  const uint32_t* moment = nullptr;
  uint32_t threshold = 0;  // of 2^16: below it the element is dropped; 0: nothing is
  float scale = 1;
};

inline Mask mask_of(const DropoutMask& mask, int64_t n) {
  constexpr double kSteps = 65536;  // 16 bits an element
  require(mask.p >= 0 && mask.p < 1, "apply_dropout", "p must be in [0, 1)", {mask.p});
  require(mask.key.sample + static_cast<uint64_t>(n) <= uint64_t{1} << 56, "apply_dropout",
          "the key's sample + n must be below 2^56");
  const double threshold = std::min(std::round(mask.p * kSteps), kSteps - 1);
  return {static_cast<uint32_t>(mask.key.seed),
          static_cast<uint32_t>(mask.key.seed >> 32),
          static_cast<uint32_t>(mask.key.purpose) << 24,
          mask.key.step,
          mask.key.sample,
          mask.moment,
          static_cast<uint32_t>(threshold),
          static_cast<float>(kSteps / (kSteps - threshold))};
}

/// values[i] = values[i] * keep / (1 - q) for elements first .. first + V - 1 of row n. first is a multiple
/// of V.
template <int V>
__device__ inline void drop(const Mask& mask, int64_t n, int64_t first, float (&values)[V]) {
  static_assert(V == 1 || V == 8);  // a Philox block has the bits of 8 elements
  if (mask.threshold == 0) return;
  uint64_t sample = mask.sample;
  uint32_t step = mask.step;
  if (mask.moment != nullptr) {
    sample = (sample >> 32 << 32) | mask.moment[0];
    step = mask.moment[1];
  }
  sample += static_cast<uint64_t>(n);
  uint32_t words[4] = {static_cast<uint32_t>(first / 8), step, static_cast<uint32_t>(sample),
                       static_cast<uint32_t>(sample >> 32) | mask.purpose};
  philox::rounds(words[0], words[1], words[2], words[3], mask.key0, mask.key1);
  if constexpr (V == 8) {
    for (int i = 0; i < 8; ++i) {
      const uint32_t drawn = (words[i / 2] >> (16 * (i % 2))) & 0xffffu;
      values[i] = drawn >= mask.threshold ? values[i] * mask.scale : 0.0F;
    }
  } else {
    const uint32_t word =
        first % 8 < 4 ? (first % 4 < 2 ? words[0] : words[1]) : (first % 4 < 2 ? words[2] : words[3]);
    const uint32_t drawn = (word >> (16 * (first % 2))) & 0xffffu;
    values[0] = drawn >= mask.threshold ? values[0] * mask.scale : 0.0F;
  }
}

}  // namespace langevin::cuda
