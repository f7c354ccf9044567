// Group normalisation, scale-shift modulation and SiLU in one operator, forward and backward.
// Wu & He, "Group Normalization", 2018, eq. 1-3, 7; modulation: Dhariwal & Nichol, 2021, section 3 (AdaGN).
//
//   xhat = (x - mean) * rstd            mean and variance over one sample's H*W positions and C/groups
//   channels h    = xhat * gamma + beta          per channel z    = h * (1 + scale) + shift      per sample
//   and channel, optional y    = act(z)                       identity or SiLU: z * sigmoid(z)
//
// Memory is channels-last: (N, H*W, C), C contiguous. x, y and their gradients are float or BF16, all else is
// fp32. The work is cut the same way whatever the number of threads, so the results are the same bits for any
// number. Nothing but mean and rstd is kept for the backward pass: it recomputes z from x.
#pragma once

#include <cstdint>

#include "langevin/kernels/bf16.h"
#include "langevin/kernels/bytes.h"

namespace langevin {

enum class Activation : uint8_t { none, silu };

/// Sizes and constants of one call. Error unless n, hw, c, groups >= 1, c % groups == 0, eps > 0.
struct GroupNormShape {
  int64_t n = 0;       // samples
  int64_t hw = 0;      // positions: H*W, or L of a trajectory
  int64_t c = 0;       // channels
  int64_t groups = 1;  // divides c
  float eps = 1e-5F;   // added to the (biased) variance
  Activation activation = Activation::silu;
};

/// Forward arrays. y may be x itself (not a shifted overlap).
template <class T>
struct GroupNormForward {
  const T* x = nullptr;           // (n, hw, c)
  const float* gamma = nullptr;   // (c); null = 1
  const float* beta = nullptr;    // (c); null = 0
  const float* scale = nullptr;   // (n, c) with rows `modulation_stride` apart; null = 0
  const float* shift = nullptr;   // likewise
  int64_t modulation_stride = 0;  // floats from one sample's row to the next; 0 = one row for all samples
  T* y = nullptr;                 // (n, hw, c)
  float* mean = nullptr;          // (n, groups); null = not wanted
  float* rstd = nullptr;          // (n, groups), 1 / sqrt(variance + eps); null = not wanted
  const float* added = nullptr;   // (n, c), added to x before all else at no cost; null = 0
  int64_t added_stride = 0;       // as modulation_stride
  const BytePicture* bytes =
      nullptr;                // the result goes there instead, for an int8 product; y is not used then
  void* workspace = nullptr;  // group_norm_workspace(shape) bytes on 64; null = allocated by the call
};

/// Bytes of workspace that a forward call needs with the present number of threads.
int64_t group_norm_workspace(const GroupNormShape& shape);

/// Backward arrays; the inputs are those of the forward call. Outputs are overwritten, never added to; a null
/// output is not computed. dx may be dy itself (not x). dscale and dshift need rows of their own:
/// gradient_stride >= c.
template <class T>
struct GroupNormBackward {
  const T* x = nullptr;
  const float* gamma = nullptr;
  const float* beta = nullptr;
  const float* scale = nullptr;
  const float* shift = nullptr;
  int64_t modulation_stride = 0;
  const float* mean = nullptr;  // (n, groups), as the forward call wrote it
  const float* rstd = nullptr;  // (n, groups)
  const T* dy = nullptr;        // (n, hw, c)
  T* dx = nullptr;              // (n, hw, c)
  float* dgamma = nullptr;      // (c)
  float* dbeta = nullptr;       // (c)
  float* dscale = nullptr;      // (n, c) with rows `gradient_stride` apart
  float* dshift = nullptr;      // likewise
  int64_t gradient_stride = 0;  // floats from one sample's row of dscale / dshift to the next
};

void group_norm_silu(const GroupNormShape& shape, const GroupNormForward<float>& arrays);
void group_norm_silu(const GroupNormShape& shape, const GroupNormForward<BF16>& arrays);
void group_norm_silu_backward(const GroupNormShape& shape, const GroupNormBackward<float>& arrays);
void group_norm_silu_backward(const GroupNormShape& shape, const GroupNormBackward<BF16>& arrays);

/// The same by plain loops in double.
namespace reference {
void group_norm_silu(const GroupNormShape& shape, const GroupNormForward<float>& arrays);
void group_norm_silu(const GroupNormShape& shape, const GroupNormForward<BF16>& arrays);
void group_norm_silu_backward(const GroupNormShape& shape, const GroupNormBackward<float>& arrays);
void group_norm_silu_backward(const GroupNormShape& shape, const GroupNormBackward<BF16>& arrays);
}  // namespace reference

}  // namespace langevin
