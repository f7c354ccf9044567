// The vectorised inner loops of group_norm_silu, over one chunk of one sample. Internal to this folder.
//
// A chunk is a run of `total` elements in which channels repeat with `period` elements (a multiple of C that
// fills whole vectors); every per-channel coefficient is a row of `period` floats, so the size of a group
// does not matter.
#pragma once

#include <cstddef>
#include <cstdint>

#include "langevin/kernels/bf16.h"

namespace langevin::group_norm_rows {

struct Chunk {
  size_t total = 0;
  size_t period = 0;
};

/// sum[l] = sum of (x - pivot[l]), sum2[l] = sum of its square, over the chunk's elements of lane l.
template <class T>
struct Moments {
  const T* x;
  const float* pivot;
  float* sum;
  float* sum2;
};
void moments(const Chunk& chunk, const Moments<float>& args);
void moments(const Chunk& chunk, const Moments<BF16>& args);

/// y = act(a x + b).
template <class T>
struct Apply {
  const T* x;
  const float* a;
  const float* b;
  T* y;
  bool silu;
};
void apply(const Chunk& chunk, const Apply<float>& args);
void apply(const Chunk& chunk, const Apply<BF16>& args);

/// y = byte(act(a x + b) gain + offset), kernels/bytes.h. Without SiLU a and b hold gain and offset already,
/// and those may be null.
template <class T>
struct ApplyBytes {
  const T* x;
  const float* a;
  const float* b;
  const float* gain;
  const float* offset;
  uint8_t* y;
  bool silu;
};
void apply(const Chunk& chunk, const ApplyBytes<float>& args);
void apply(const Chunk& chunk, const ApplyBytes<BF16>& args);

/// With dz = dy act'(a x + b): sum[l] = sum of dz, sum2[l] = sum of dz (x - mean[l]).
template <class T>
struct GradientSums {
  const T* x;
  const T* dy;
  const float* a;
  const float* b;
  const float* mean;
  float* sum;
  float* sum2;
  bool silu;
};
void gradient_sums(const Chunk& chunk, const GradientSums<float>& args);
void gradient_sums(const Chunk& chunk, const GradientSums<BF16>& args);

/// dx = a dz + c (x - mean) + d.
template <class T>
struct GradientApply {
  const T* x;
  const T* dy;
  const float* a;
  const float* b;
  const float* mean;
  const float* c;
  const float* d;
  T* dx;
  bool silu;
};
void gradient_apply(const Chunk& chunk, const GradientApply<float>& args);
void gradient_apply(const Chunk& chunk, const GradientApply<BF16>& args);

}  // namespace langevin::group_norm_rows
