#include "langevin/runtime/int8_weights.h"

#include <algorithm>
#include <cmath>
#include <oneapi/dnnl/dnnl.hpp>

namespace langevin::runtime {

int largest_int8_weight() {
  const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  const auto has = [&](dnnl::cpu_isa needed) {
    return (isa & static_cast<unsigned>(needed)) == static_cast<unsigned>(needed);
  };
  return has(dnnl::cpu_isa::avx512_core_vnni) || has(dnnl::cpu_isa::avx2_vnni) ? 127 : 63;
}

Int8Weights int8_weights(std::span<const float> weights, std::span<const float> bias, int64_t out,
                         const LayerCalibration& input, int largest) {
  const auto in = static_cast<int64_t>(input.step.size());
  const int64_t taps = static_cast<int64_t>(weights.size()) / (out * in);
  Int8Weights result;
  result.values.resize(weights.size());
  for (int64_t o = 0; o < out; ++o) {
    const float* w = weights.data() + o * in * taps;
    float* v = result.values.data() + o * in * taps;
    float size = 0;
    for (int64_t i = 0; i < in; ++i) {
      const float step = input.step[static_cast<size_t>(i)];
      for (int64_t k = i * taps; k < (i + 1) * taps; ++k) {
        v[k] = w[k] * step;
        size = std::max(size, std::abs(v[k]));
      }
    }
    const float scale = size > 0 ? size / static_cast<float>(largest) : 1, inverse = 1 / scale;
    double zeros = 0;  // whole numbers: exact
    for (int64_t i = 0; i < in; ++i) {
      float sum = 0;
      for (int64_t k = i * taps; k < (i + 1) * taps; ++k) sum += v[k] = std::nearbyint(v[k] * inverse);
      zeros += static_cast<double>(sum) * static_cast<double>(input.zero[static_cast<size_t>(i)]);
    }
    const double b = bias.empty() ? 0 : static_cast<double>(bias[static_cast<size_t>(o)]);
    result.scale.push_back(scale);
    result.bias.push_back(static_cast<float>(b / static_cast<double>(scale) - zeros));
  }
  return result;
}

}  // namespace langevin::runtime
