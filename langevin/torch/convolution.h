// 3x3 convolutions by Winograd's minimal filtering F(4x4, 3x3), with gradients: Lavin & Gray 2015,
// arXiv:1509.09308. 36 products do the work of 144, so that fp32 runs at about twice the rate of a direct
// convolution; the transforms cost one decimal digit at most (relative error about 1e-6 against 2e-7).
#pragma once

#include "langevin/torch/compat.h"

namespace langevin {

/// Whether winograd_convolution() takes these and is worth it: fp32 on a CPU with AVX-512, a 3x3 kernel,
/// pictures of 12 x 12 or more, channels that fill the vectors.
bool suits_winograd(const at::Tensor& x, const at::Tensor& weight);

/// The convolution of stride 1 and padding 1: x (N,I,H,W), weight (O,I,3,3), bias (O) -> (N,O,H,W),
/// channels-last.
at::Tensor winograd_convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace langevin
