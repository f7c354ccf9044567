// Operators on rows and single elements that no convolution carries along: softmax, a linear map of one row,
// sums and SiLU. T is float or BF16; arithmetic is fp32.
#pragma once

#include <cstdint>

#include "langevin/kernels/bf16.h"

namespace langevin {

/// y[r] = softmax(scale x[r]) for each of `rows` rows of `length`. x is used as scratch; y may be x if T is
/// float.
template <class T>
struct Softmax {
  float* x = nullptr;
  T* y = nullptr;
  int64_t rows = 0, length = 0;
  float scale = 1;
};
void softmax_rows(const Softmax<float>& call);
void softmax_rows(const Softmax<BF16>& call);

/// y = W x + b, one row: W (out, in) with rows `stride` floats apart (0: in), b (out) or null. The sum's
/// order does not depend on threads.
struct LinearRow {
  const float* x = nullptr;
  const float* weight = nullptr;
  const float* bias = nullptr;
  float* y = nullptr;
  int64_t in = 0, out = 0;
  int64_t stride = 0;
};
void linear_row(const LinearRow& call);

/// y = a x + b z + c, elementwise; z may be null (0). y may be x or z.
template <class T>
struct Blend {
  const T* x = nullptr;
  const T* z = nullptr;
  T* y = nullptr;
  int64_t count = 0;
  float a = 1, b = 1, c = 0;
};
void blend(const Blend<float>& call);
void blend(const Blend<BF16>& call);

/// y = x sigmoid(x). y may be x.
void silu(const float* x, float* y, int64_t count);
void silu(const BF16* x, BF16* y, int64_t count);

/// y = x tanh(ln(1 + e^x)), Misra 1908.08681, eq. 1. y may be x.
void mish(const float* x, float* y, int64_t count);
void mish(const BF16* x, BF16* y, int64_t count);

/// y[n,p,c] = scale[n,c] x[n,p,c] + row[n,c], rows `stride` floats apart (0: one row for all); no scale: 1. y
/// may be x.
template <class T>
struct AddChannels {
  const T* x = nullptr;
  const float* scale = nullptr;
  const float* row = nullptr;
  T* y = nullptr;
  int64_t n = 0, hw = 0, c = 0, stride = 0;
};
void add_channels(const AddChannels<float>& call);
void add_channels(const AddChannels<BF16>& call);

/// The same by plain loops in double.
namespace reference {
void softmax_rows(const Softmax<float>& call);
void softmax_rows(const Softmax<BF16>& call);
void linear_row(const LinearRow& call);
void blend(const Blend<float>& call);
void blend(const Blend<BF16>& call);
void silu(const float* x, float* y, int64_t count);
void silu(const BF16* x, BF16* y, int64_t count);
void mish(const float* x, float* y, int64_t count);
void mish(const BF16* x, BF16* y, int64_t count);
void add_channels(const AddChannels<float>& call);
void add_channels(const AddChannels<BF16>& call);
}  // namespace reference

}  // namespace langevin
