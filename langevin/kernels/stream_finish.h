// What follows a product of few columns in a network of sequences, in one pass while its result is in the
// cache: GroupNorm (Wu & He 2018), an activation, FiLM (Perez et al. 1709.07871) and a residual, on the
// channels that one thread has.
//
//   out = film(act(norm(y))) + residual       film(h) = scale h + shift
//
// Each part may be absent. The sums of a group are added in the same order whatever the units and threads.
#pragma once

#include <cstdint>

namespace langevin {

enum class StreamActivation : uint8_t { none, silu, mish };

/// Rows are positions, samples one after the other; channels lie side by side. Error unless groups divide
/// channels.
struct StreamFinish {
  float* y = nullptr;  // (samples * length, channels) with rows `stride` floats apart; overwritten
  int64_t samples = 1, length = 1, channels = 0, stride = 0;
  int64_t groups = 0;  // of these channels; 0: no normalisation
  float eps = 1e-5F;
  const float* gamma = nullptr;  // (channels)
  const float* beta = nullptr;
  StreamActivation activation = StreamActivation::none;
  const float* scale = nullptr;     // (samples, channels) with rows `film_stride` apart; null: 1
  const float* shift = nullptr;     // likewise; null: 0
  int64_t film_stride = 0;          // 0: one row for all samples
  const float* residual = nullptr;  // (samples * length, channels); null: none
  int64_t residual_stride = 0;
  float* out = nullptr;  // (samples * length, channels), may be the residual
  int64_t out_stride = 0;
  float* scratch = nullptr;  // 3 * channels floats
};
void stream_finish(const StreamFinish& call);

/// The same by plain loops in double.
namespace reference {
void stream_finish(const StreamFinish& call);
}  // namespace reference

}  // namespace langevin
