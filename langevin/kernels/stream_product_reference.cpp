#include <algorithm>
#include <cmath>
#include <cstring>

#include "langevin/kernels/bf16.h"
#include "langevin/kernels/stream_product.h"
#include "langevin/kernels/stream_quantisation.h"

namespace langevin::reference {
namespace {

template <class T>
T value_at(const std::byte* base, int64_t index) {
  T value;
  std::memcpy(&value, base + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

double input(const StreamUnit& unit, const StreamTap& tap, int64_t pair, int64_t i) {
  const StreamRows& rows = unit.sources[tap.source];
  const int64_t row = tap.rows[pair];
  if (unit.type != StreamType::int8)
    return static_cast<double>(static_cast<const float*>(rows.x)[row * rows.stride + i]);
  return static_cast<double>(static_cast<const int16_t*>(rows.x)[row * rows.stride + i]) *
         static_cast<double>(rows.scales[row]);
}

}  // namespace

double stream_weight(StreamType type, const std::byte* slice, int64_t in, int64_t i, int64_t j) {
  (void)in;
  constexpr int64_t half = kStreamBlock / 2;
  if (type == StreamType::fp32) return static_cast<double>(value_at<float>(slice, i * kStreamBlock + j));
  if (type == StreamType::bf16)
    return static_cast<double>(to_float(value_at<BF16>(slice, i * kStreamBlock + j % half * 2 + j / half)));
  const std::byte* levels = slice + kStreamBlock * static_cast<int64_t>(sizeof(float));
  return static_cast<double>(value_at<float>(slice, j)) *
         static_cast<double>(value_at<int8_t>(levels, i / 2 * 2 * kStreamBlock + 2 * j + i % 2));
}

void stream_product(const StreamUnit& unit) {
  const std::byte* slice = unit.weights;
  for (int64_t block = 0; block < unit.blocks; ++block) {
    for (int64_t t = 0; t < unit.taps; ++t) {
      const StreamTap& tap = unit.tap[t];
      const int64_t in = unit.sources[tap.source].in;
      for (int64_t pair = 0; pair < tap.pairs; ++pair) {
        float* y = unit.y + tap.columns[pair] * unit.stride + block * kStreamBlock;
        for (int64_t j = 0; j < kStreamBlock; ++j) {
          double sum = static_cast<double>(y[j]);
          for (int64_t i = 0; i < in; ++i)
            sum += stream_weight(unit.type, slice, in, i, j) * input(unit, tap, pair, i);
          y[j] = static_cast<float>(sum);
        }
      }
      slice += stream_slice_bytes(unit.type, in);
    }
  }
}

void quantise_rows(const QuantisedRows& call) {
  const double most = static_cast<double>(largest_level(call.in));
  for (int64_t r = 0; r < call.rows; ++r) {
    const float* x = call.x + r * call.x_stride;
    int16_t* q = call.q + r * call.q_stride;
    double largest = 0, finite = 0;
    for (int64_t i = 0; i < call.in; ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(x[i])));
      finite += static_cast<double>(x[i]) * 0;
    }
    const double scale = largest / most;
    call.scales[r] = static_cast<float>(scale + finite);
    std::fill_n(q, call.q_stride, int16_t{0});
    for (int64_t i = 0; i < call.in && scale > 0 && finite == 0; ++i)
      q[i] = static_cast<int16_t>(std::nearbyint(static_cast<double>(x[i]) / scale));
  }
}

}  // namespace langevin::reference
