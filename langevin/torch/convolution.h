// Convolutions as differentiable operations on oneDNN (CPU). 3x3 ones of pictures that are large enough go by
// Winograd's minimal filtering F(4x4, 3x3): Lavin & Gray 2015, arXiv:1509.09308; 36 products do the work of
// 144, so that fp32 runs at about twice the rate of a direct convolution; the transforms cost one decimal
// digit at most (relative error about 1e-6 against 2e-7).
//
// Values may be stored in bf16. Where the processor multiplies bf16 no faster than fp32 (kernels/processor.h)
// the arithmetic is fp32 all the same, and only what lies in memory is halved.
#pragma once

#include <array>

#include "langevin/torch/kept.h"

namespace langevin {

/// Along height and width.
struct ConvGeometry {
  std::array<int64_t, 2> stride{1, 1}, before{1, 1}, after{1, 1};  // zeros before and after
};

/// Whether convolution() takes these: fp32 or bf16 on a CPU.
bool suits_convolution(const at::Tensor& x, const at::Tensor& weight);

/// Whether it goes Winograd's way: fp32 arithmetic with AVX-512, a 3x3 kernel of stride 1 and padding 1,
/// pictures of 12 x 12 or more, channels that fill the vectors.
bool suits_winograd(const at::Tensor& x, const at::Tensor& weight, const ConvGeometry& geometry);

/// x (N,I,H,W), weight (O,I,k,l), bias (O) -> (N,O,...), of x's type, channels-last. `again` gives x's values
/// once more in the backward pass, which then does not keep x.
at::Tensor convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                       const ConvGeometry& geometry, const Again& again = {});

}  // namespace langevin
