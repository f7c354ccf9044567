// Weights as signed bytes, a scale for every output channel, with what the input's bytes stand for taken into
// account: x_i = step_i (q_i - zero_i) gives
//
//   sum_i w_oi x_i + b_o  =  scale_o (sum_i v_oi q_i + b_o / scale_o - sum_i v_oi zero_i),
//   v_oi = round(w_oi step_i / scale_o),   scale_o = max_i |w_oi step_i| / 127
//
// so that the sum over bytes is exact integer arithmetic (Jacob et al. 2018, arXiv:1712.05877, section 2.2).
#pragma once

#include <span>
#include <vector>

#include "langevin/model/calibration.h"

namespace langevin::runtime {

struct Int8Weights {
  std::vector<float> values;  // (out, in, taps): whole numbers, at most `largest` in size
  std::vector<float> scale;   // (out)
  std::vector<float> bias;    // (out), in units of the integer sums: what the right side above adds to them
};

/// The largest weight: 127, or 63 where the processor has no instruction that adds products of bytes in 32
/// bits. There oneDNN adds two of them in 16, which must not overflow: 2 * 255 * 63 < 2^15.
int largest_int8_weight();

/// weights (out, in, taps) row-major; bias (out) or empty.
Int8Weights int8_weights(std::span<const float> weights, std::span<const float> bias, int64_t out,
                         const LayerCalibration& input, int largest);

}  // namespace langevin::runtime
