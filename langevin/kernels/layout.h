// Moving activations: between the picture's layout (N,C,HW) and channels-last (N,HW,C), and the operators
// that only copy. T is float or BF16; arrays do not overlap. Each is one pass of copies and is its own
// reference.
#pragma once

#include <cstdint>

#include "langevin/kernels/bf16.h"

namespace langevin {

/// (n,c,hw) float -> (n,hw,c) T.
template <class T>
void to_channels_last(const float* x, T* y, int64_t n, int64_t c, int64_t hw);
/// (n,hw,c) T -> (n,c,hw) float.
template <class T>
void from_channels_last(const T* x, float* y, int64_t n, int64_t c, int64_t hw);

/// (positions, ca) beside (positions, cb) -> (positions, ca + cb).
template <class T>
struct Concat {
  const T* a = nullptr;
  const T* b = nullptr;
  T* y = nullptr;
  int64_t ca = 0, cb = 0;
  int64_t positions = 0;
};
template <class T>
void concat_channels(const Concat<T>& call);

/// (n,h,w,c) -> (n,to_h,to_w,c). Row i comes from floor(i * (float)h / to_h), as in PyTorch's "nearest".
template <class T>
struct Upsample {
  const T* x = nullptr;
  T* y = nullptr;
  int64_t n = 0, h = 0, w = 0, c = 0;
  int64_t to_h = 0, to_w = 0;
};
template <class T>
void upsample_nearest(const Upsample<T>& call);

/// Four pictures (n,h,w,c) into one of twice the size: parts[2 r + s] gives its rows of parity r, columns of
/// parity s.
template <class T>
struct Interleave {
  const T* parts[4] = {};
  T* y = nullptr;  // (n,2h,2w,c)
  int64_t n = 0, h = 0, w = 0, c = 0;
};
template <class T>
void interleave(const Interleave<T>& call);

}  // namespace langevin
