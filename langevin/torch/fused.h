// Operators of kernels/ as differentiable libtorch operations, on the CPU and, where they were built, on GPUs
// (cuda_device.h); elsewhere the same mathematics from ATen.
#pragma once

#include "langevin/nn/vocabulary.h"
#include "langevin/torch/compat.h"

namespace langevin {

/// Where in training a mask is drawn.
struct DropoutPlace {
  uint64_t seed = 0;
  uint32_t layer = 0;
  uint32_t first_sample = 0;  // global index of the batch's first
  uint32_t step = 0;
  at::Tensor moment = {};  // on a GPU with our kernels: (2) int32, first_sample and step, read in place of
                           // those above when the work is done, as a recorded graph needs it
};

/// What comes with a norm: on a GPU with our kernels in the same passes over memory, elsewhere one by one.
struct NormCompanions {
  at::Tensor bias = {}, row = {};  // (C) and (N,C), of x's type, added to x before; or undefined
  double dropout = 0;              // of the result
  DropoutPlace place = {};
};

/// act(GroupNorm(x) * (1 + scale) + shift); x (N,C,H,W) fp32 or bf16, gamma and beta (C) fp32,
/// scale_shift (N,2C) or undefined. Output like x, channels-last.
at::Tensor fused_group_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                            const at::Tensor& scale_shift, const nn::GroupNorm& c,
                            const NormCompanions& with = {});

/// Dropout whose mask is a pure function of its place; see kernels/dropout.h.
at::Tensor keyed_dropout(const at::Tensor& x, double p, const DropoutPlace& place);

/// x (N,C,...) + row, (C) or (N,C), of x's type: a bias, or what a timestep adds.
at::Tensor add_row(const at::Tensor& x, const at::Tensor& row);

/// x + row + z: a convolution's bias (C) and what goes around it, like x.
at::Tensor add_row(const at::Tensor& x, const at::Tensor& row, const at::Tensor& z);

/// Sinusoidal features (N,dim) of t (N), as the vocabulary defines them, in the type asked for.
at::Tensor timestep_features(const at::Tensor& t, const nn::TimestepEmbedding& c, at::ScalarType type);

}  // namespace langevin
