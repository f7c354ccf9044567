// Operators of kernels/ as differentiable libtorch operations (CPU); elsewhere the same mathematics from
// ATen.
#pragma once

#include "langevin/nn/vocabulary.h"
#include "langevin/torch/compat.h"

namespace langevin {

/// act(GroupNorm(x) * (1 + scale) + shift); x (N,C,H,W) fp32 or bf16, gamma and beta (C) fp32,
/// scale_shift (N,2C) or undefined. Output like x, channels-last.
at::Tensor fused_group_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                            const at::Tensor& scale_shift, const nn::GroupNorm& c);

/// Dropout whose mask is a pure function of (seed, layer, sample, step); see kernels/dropout.h.
at::Tensor keyed_dropout(const at::Tensor& x, double p, uint64_t seed, uint32_t layer, uint32_t first_sample,
                         uint32_t step);

}  // namespace langevin
