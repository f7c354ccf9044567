// Dropout on the device: the rule of kernels/dropout.h, so a mask is the same bits as on the CPU.
#pragma once

#include <cstdint>

#include "langevin/kernels/cuda/stream.h"
#include "langevin/kernels/dropout.h"

namespace langevin::cuda {

/// Which mask. Where `moment` is given, (first sample, step) are read from it on the device when the kernel
/// runs and take the places of those in `key` (sample's lower 32 bits, step): a recorded graph draws another
/// mask each time it is replayed.
struct DropoutMask {
  double p = 0;  // in [0, 1); 0: nothing is dropped
  NoiseKey key;  // dropout_key(), of the first of the batch's samples
  const uint32_t* moment = nullptr;
};

/// y = x * keep / (1 - q) over n rows of `elements`, as apply_dropout() of kernels/dropout.h. y may be x.
void apply_dropout(const float* x, float* y, int64_t n, int64_t elements, const DropoutMask& mask,
                   Stream stream);
void apply_dropout(const BF16* x, BF16* y, int64_t n, int64_t elements, const DropoutMask& mask,
                   Stream stream);

}  // namespace langevin::cuda
