// The fused GroupNorm of kernels/group_norm_silu.h on the device: the same sizes and arrays (pointers to
// device memory), the same mathematics, and dropout of the result along with it. Sums are fp32 about a pivot
// within a block, double between blocks; how the work is cut depends on one sample's sizes, so its result
// does not depend on its batch.
//
// Accesses are 16 bytes wide if C is a multiple of 8 and every array of activations starts on 16 bytes;
// otherwise element by element.
#pragma once

#include "langevin/kernels/cuda/dropout.h"
#include "langevin/kernels/group_norm_silu.h"

namespace langevin::cuda {

/// Bytes of workspace, on 16, for the forward and the backward call of these sizes.
int64_t group_norm_workspace(const GroupNormShape& shape);

/// y = dropout(act(...)). `arrays.workspace` must not be null.
void group_norm_silu(const GroupNormShape& shape, const GroupNormForward<float>& arrays,
                     const DropoutMask& mask, Stream stream);
void group_norm_silu(const GroupNormShape& shape, const GroupNormForward<BF16>& arrays,
                     const DropoutMask& mask, Stream stream);

/// The arrays of kernels/, and the rows that the forward call added to x with their gradient: the sum of dx
/// over a sample's positions, which costs no pass over dx.
template <class T>
struct GroupNormGradients : GroupNormBackward<T> {
  const float* added = nullptr;  // as in GroupNormForward
  int64_t added_stride = 0;
  float* dadded = nullptr;  // (n, c), a row for every sample; null = not wanted
};

/// With the mask of the forward call. dx may be dy.
void group_norm_silu_backward(const GroupNormShape& shape, const GroupNormGradients<float>& arrays,
                              const DropoutMask& mask, void* workspace, Stream stream);
void group_norm_silu_backward(const GroupNormShape& shape, const GroupNormGradients<BF16>& arrays,
                              const DropoutMask& mask, void* workspace, Stream stream);

}  // namespace langevin::cuda
