#include <algorithm>
#include <cmath>

#include "langevin/kernels/rows.h"

namespace langevin::reference {
namespace {

void put(double value, float& to) { to = static_cast<float>(value); }
void put(double value, BF16& to) { to = to_bf16(static_cast<float>(value)); }

template <class T>
double get(T value) {
  return static_cast<double>(to_float(value));
}

template <class T>
void softmax_of(const Softmax<T>& call) {
  const double scale = static_cast<double>(call.scale);
  for (int64_t r = 0; r < call.rows; ++r) {
    const float* x = call.x + r * call.length;
    T* y = call.y + r * call.length;
    double most = -INFINITY, sum = 0;
    for (int64_t i = 0; i < call.length; ++i) most = std::max(most, scale * get(x[i]));
    for (int64_t i = 0; i < call.length; ++i) sum += std::exp(scale * get(x[i]) - most);
    for (int64_t i = 0; i < call.length; ++i) put(std::exp(scale * get(x[i]) - most) / sum, y[i]);
  }
}

template <class T>
void blend_of(const Blend<T>& call) {
  for (int64_t i = 0; i < call.count; ++i) {
    const double z = call.z == nullptr ? 0 : static_cast<double>(call.b) * get(call.z[i]);
    put(static_cast<double>(call.a) * get(call.x[i]) + z + static_cast<double>(call.c), call.y[i]);
  }
}

template <class T>
void silu_of(const T* x, T* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) put(get(x[i]) / (1 + std::exp(-get(x[i]))), y[i]);
}

template <class T>
void mish_of(const T* x, T* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) put(get(x[i]) * std::tanh(std::log1p(std::exp(get(x[i])))), y[i]);
}

template <class T>
void add_channels_of(const AddChannels<T>& call) {
  for (int64_t i = 0; i < call.n * call.hw * call.c; ++i) {
    const int64_t at = i / (call.hw * call.c) * call.stride + i % call.c;
    put((call.scale == nullptr ? 1 : get(call.scale[at])) * get(call.x[i]) + get(call.row[at]), call.y[i]);
  }
}

}  // namespace

void softmax_rows(const Softmax<float>& call) { softmax_of(call); }
void softmax_rows(const Softmax<BF16>& call) { softmax_of(call); }
void blend(const Blend<float>& call) { blend_of(call); }
void blend(const Blend<BF16>& call) { blend_of(call); }
void silu(const float* x, float* y, int64_t count) { silu_of(x, y, count); }
void silu(const BF16* x, BF16* y, int64_t count) { silu_of(x, y, count); }
void mish(const float* x, float* y, int64_t count) { mish_of(x, y, count); }
void mish(const BF16* x, BF16* y, int64_t count) { mish_of(x, y, count); }
void add_channels(const AddChannels<float>& call) { add_channels_of(call); }
void add_channels(const AddChannels<BF16>& call) { add_channels_of(call); }

void linear_row(const LinearRow& call) {
  const int64_t stride = call.stride == 0 ? call.in : call.stride;
  for (int64_t o = 0; o < call.out; ++o) {
    double sum = call.bias == nullptr ? 0 : get(call.bias[o]);
    for (int64_t i = 0; i < call.in; ++i) sum += get(call.weight[o * stride + i]) * get(call.x[i]);
    put(sum, call.y[o]);
  }
}

}  // namespace langevin::reference
