// Matrix products as differentiable operations on oneDNN (CPU, fp32 and bf16), on strided views without
// copies. libtorch gives fp32 ones to the BLAS, whose threads cost more than these small products: training
// DDPM's U-Net spent a third of its time there. Elsewhere (CUDA, float64) the same mathematics from ATen.
#pragma once

#include <functional>
#include <optional>

#include "langevin/torch/compat.h"

namespace langevin {

/// y = x W^T + b. x (..., I), weight (O,I), bias (O) or undefined -> (..., O) like x.
at::Tensor linear_product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

/// softmax(q k^T / sqrt(d)) v by heads, d = C / heads: Vaswani et al. 1706.03762, eq. 1. q (N,L,C), k
/// (N,M,C), v (N,M,D), heads divides C and D -> (N,L,D) like q. Scores and softmax are fp32. With `ahead` the
/// query at t sees the keys at s <= t + ahead alone.
at::Tensor attention_product(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t heads,
                             std::optional<int64_t> ahead = {});

/// The same, its weights (N,heads,L,M) passed through `drop` on their way to the values.
at::Tensor attention_product_with_dropout(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                          int64_t heads, std::optional<int64_t> ahead,
                                          const std::function<at::Tensor(const at::Tensor&)>& drop);

}  // namespace langevin
