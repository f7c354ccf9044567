// Operators on the channels of activations, and features of timesteps, on the device. Activations are
// channels-last, (n, hw, c); T is float or BF16, arithmetic is fp32.
#pragma once

#include <cstdint>

#include "langevin/kernels/bf16.h"
#include "langevin/kernels/cuda/stream.h"

namespace langevin::cuda {

/// y[n,p,c] = scale (x[n,p,c] + row[n,c] + z[n,p,c]): a convolution's bias (stride 0) or a timestep's row,
/// and a residual, in one pass. row and z may be null (0). y may be x or z.
template <class T>
struct Add {
  const T* x = nullptr;
  const T* row = nullptr;  // rows `stride` elements apart; 0: one row for all samples
  const T* z = nullptr;
  T* y = nullptr;
  int64_t n = 0, hw = 0, c = 0, stride = 0;
  float scale = 1;
};
void add(const Add<float>& call, Stream stream);
void add(const Add<BF16>& call, Stream stream);

/// sums[n,c] = the sum of x[n,p,c] over p: the gradient of a row. One row for all samples: give n = 1 and
/// all positions as hw. `workspace` has channel_sums_workspace() floats.
template <class T>
struct ChannelSums {
  const T* x = nullptr;
  T* sums = nullptr;  // (n, c)
  float* workspace = nullptr;
  int64_t n = 0, hw = 0, c = 0;
};
int64_t channel_sums_workspace(int64_t n, int64_t hw, int64_t c);
void channel_sums(const ChannelSums<float>& call, Stream stream);
void channel_sums(const ChannelSums<BF16>& call, Stream stream);

/// Sinusoidal features: y (n, dim) = [sin, cos] or [cos, sin] of t[n] exp(-ln(max_period) i / (dim/2 -
/// freq_shift)), and 0 last if dim is odd. Vaswani et al. 1706.03762, section 3.5, as diffusers counts.
template <class T>
struct TimestepFeatures {
  const float* t = nullptr;
  T* y = nullptr;
  int64_t n = 0, dim = 0;
  bool flip_sin_to_cos = false;
  double freq_shift = 1, max_period = 10000;
};
void timestep_features(const TimestepFeatures<float>& call, Stream stream);
void timestep_features(const TimestepFeatures<BF16>& call, Stream stream);

}  // namespace langevin::cuda
