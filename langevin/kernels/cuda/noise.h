// Normal noise drawn on the device, by the counters of core/rng.h.
#pragma once

#include <cstdint>

#include "langevin/core/rng.h"
#include "langevin/kernels/cuda/stream.h"

namespace langevin::cuda {

/// out[i][j] = standard normal number j of the stream of `key` with sample + i, for n samples of `elements`
/// (at most 2^34): what fill_normal() gives for each of them. The words are the same integers; the deviates
/// are the same bits too, since core/philox.h uses additions, multiplications and a square root alone, all
/// rounded as IEEE 754 says, and this file is built without fused multiply-adds.
void fill_normal(float* out, int64_t n, int64_t elements, const NoiseKey& key, Stream stream);

/// The words themselves: four of each Philox block, for checks. `blocks` blocks a sample.
void fill_words(uint32_t* out, int64_t n, int64_t blocks, const NoiseKey& key, Stream stream);

}  // namespace langevin::cuda
