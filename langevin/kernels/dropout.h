// Dropout (Srivastava et al. 2014) whose mask is a pure function of the key: the backward pass calls the same
// function on the gradient and gets the same mask; nothing is stored.
#pragma once

#include <cstdint>

#include "langevin/core/rng.h"
#include "langevin/kernels/bf16.h"

namespace langevin {

/// The key of one layer's mask for the first sample of a batch: sample = layer * 2^32 + first_sample.
/// layer < 2^24, first_sample < 2^32 (its index in the global batch, so ranks and micro-batches draw
/// different masks).
inline NoiseKey dropout_key(uint64_t seed, uint32_t layer, uint32_t first_sample, uint32_t step) {
  return NoiseKey{seed, (static_cast<uint64_t>(layer) << 32) | first_sample, Purpose::dropout, step};
}

/// y = x * keep / (1 - q) over n rows of `elements` (one row = one sample). p in [0, 1) is rounded to q, a
/// multiple of 2^-16 below 1, and q is what the scale uses, so the mean is kept exactly. Row i draws from
/// `key` with sample + i; its element j (channels-last order: position * C + channel) takes 16 bits of block
/// j / 8: word (j / 2) % 4, low half first. Dropped elements are 0 even where x is not finite. y may be x
/// itself. The same bits for any number of threads.
void apply_dropout(const float* x, float* y, int64_t n, int64_t elements, double p, const NoiseKey& key);
void apply_dropout(const BF16* x, BF16* y, int64_t n, int64_t elements, double p, const NoiseKey& key);

/// The same by plain loops over core's random_block.
namespace reference {
void apply_dropout(const float* x, float* y, int64_t n, int64_t elements, double p, const NoiseKey& key);
void apply_dropout(const BF16* x, BF16* y, int64_t n, int64_t elements, double p, const NoiseKey& key);
}  // namespace reference

}  // namespace langevin
