#include "langevin/kernels/stream_finish.h"

#include <cmath>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "langevin/kernels/stream_finish.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "langevin/core/check.h"
#include "langevin/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace langevin::stream_finish_simd::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using langevin::HWY_NAMESPACE::Digits;

using Floats = hn::ScalableTag<float>;
constexpr size_t kMostLanes = hn::MaxLanes(Floats());

/// Lanes(d) channels, or the last few: these go through a whole vector too, so that a channel's value does
/// not depend on where the channels of a unit end.
struct All {
  HWY_INLINE hn::Vec<Floats> load(const float* from) const { return hn::LoadU(Floats(), from); }
  HWY_INLINE void store(hn::Vec<Floats> v, float* to) const { hn::StoreU(v, Floats(), to); }
};
struct Few {
  size_t bytes;
  HWY_INLINE hn::Vec<Floats> load(const float* from) const {
    HWY_ALIGN float room[kMostLanes] = {};
    std::memcpy(room, from, bytes);
    return hn::Load(Floats(), room);
  }
  HWY_INLINE void store(hn::Vec<Floats> v, float* to) const {
    HWY_ALIGN float room[kMostLanes];
    hn::Store(v, Floats(), room);
    std::memcpy(to, room, bytes);
  }
};

/// body(memory, i) for every vector of channels.
template <class Body>
HWY_INLINE void lanes(int64_t count, const Body& body) {
  const auto step = static_cast<int64_t>(hn::Lanes(Floats()));
  int64_t i = 0;
  for (; i + step <= count; i += step) body(All(), i);
  if (i < count) body(Few{static_cast<size_t>(count - i) * sizeof(float)}, i);
}

/// sums[c] = sum over positions of (y - mean)^power, power 1 or 2.
template <int kPower>
HWY_INLINE void sum_positions(const StreamFinish& call, const float* y, const float* mean, float* sums) {
  const Floats d;
  lanes(call.channels, [&](auto memory, int64_t c) {
    const auto middle = kPower == 1 ? hn::Zero(d) : memory.load(mean + c);
    auto sum = hn::Zero(d);
    for (int64_t l = 0; l < call.length; ++l) {
      const auto v = hn::Sub(memory.load(y + l * call.stride + c), middle);
      sum = kPower == 1 ? hn::Add(sum, v) : hn::MulAdd(v, v, sum);
    }
    memory.store(sum, sums + c);
  });
}

/// The factor and offset of each channel: norm(y) = a y + b.
HWY_INLINE void coefficients(const StreamFinish& call, const float* y, float* a, float* b) {
  const int64_t size = call.channels / call.groups;
  const double count = static_cast<double>(size * call.length);
  float* mean = call.scratch + 2 * call.channels;
  sum_positions<1>(call, y, nullptr, a);
  for (int64_t g = 0; g < call.groups; ++g) {
    double sum = 0;
    for (int64_t c = g * size; c < (g + 1) * size; ++c) sum += static_cast<double>(a[c]);
    for (int64_t c = g * size; c < (g + 1) * size; ++c) mean[c] = static_cast<float>(sum / count);
  }
  sum_positions<2>(call, y, mean, a);
  for (int64_t g = 0; g < call.groups; ++g) {
    double sum = 0;
    for (int64_t c = g * size; c < (g + 1) * size; ++c) sum += static_cast<double>(a[c]);
    const auto rstd = static_cast<float>(1 / std::sqrt(sum / count + static_cast<double>(call.eps)));
    for (int64_t c = g * size; c < (g + 1) * size; ++c) {
      a[c] = rstd * call.gamma[c];
      b[c] = call.beta[c] - mean[c] * a[c];
    }
  }
}

template <StreamActivation kActivation>
HWY_INLINE void apply(const StreamFinish& call, int64_t sample, const float* a, const float* b) {
  const Floats d;
  const float* scale = call.scale == nullptr ? nullptr : call.scale + sample * call.film_stride;
  const float* shift = call.shift == nullptr ? nullptr : call.shift + sample * call.film_stride;
  for (int64_t l = 0; l < call.length; ++l) {
    const int64_t row = sample * call.length + l;
    const float* y = call.y + row * call.stride;
    const float* residual = call.residual == nullptr ? nullptr : call.residual + row * call.residual_stride;
    float* out = call.out + row * call.out_stride;
    lanes(call.channels, [&](auto memory, int64_t c) {
      auto v = memory.load(y + c);
      if (a != nullptr) v = hn::MulAdd(memory.load(a + c), v, memory.load(b + c));
      if constexpr (kActivation == StreamActivation::silu)
        v = langevin::HWY_NAMESPACE::silu<Digits::all>(d, v);
      if constexpr (kActivation == StreamActivation::mish)
        v = langevin::HWY_NAMESPACE::mish<Digits::all>(d, v);
      if (scale != nullptr) v = hn::Mul(memory.load(scale + c), v);
      if (shift != nullptr) v = hn::Add(v, memory.load(shift + c));
      if (residual != nullptr) v = hn::Add(v, memory.load(residual + c));
      memory.store(v, out + c);
    });
  }
}

void finish(const StreamFinish& call) {
  float *a = nullptr, *b = nullptr;
  for (int64_t sample = 0; sample < call.samples; ++sample) {
    if (call.groups > 0) {
      a = call.scratch;
      b = call.scratch + call.channels;
      coefficients(call, call.y + sample * call.length * call.stride, a, b);
    }
    switch (call.activation) {
      case StreamActivation::none:
        apply<StreamActivation::none>(call, sample, a, b);
        break;
      case StreamActivation::silu:
        apply<StreamActivation::silu>(call, sample, a, b);
        break;
      case StreamActivation::mish:
        apply<StreamActivation::mish>(call, sample, a, b);
        break;
    }
  }
}

}  // namespace langevin::stream_finish_simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace langevin {
namespace stream_finish_simd {
HWY_EXPORT(finish);
}  // namespace stream_finish_simd

namespace {

void check_finish(const StreamFinish& call) {
  check(call.groups == 0 || (call.groups > 0 && call.channels % call.groups == 0), "stream_finish",
        "{} groups do not divide {} channels", call.groups, call.channels);
}

double activated(StreamActivation activation, double z) {
  if (activation == StreamActivation::silu) return z / (1 + std::exp(-z));
  if (activation == StreamActivation::mish) return z * std::tanh(std::log1p(std::exp(z)));
  return z;
}

}  // namespace

void stream_finish(const StreamFinish& call) {
  check_finish(call);
  HWY_DYNAMIC_DISPATCH(stream_finish_simd::finish)(call);
}

namespace reference {

void stream_finish(const StreamFinish& call) {
  check_finish(call);
  const int64_t size = call.groups > 0 ? call.channels / call.groups : 1;
  for (int64_t n = 0; n < call.samples; ++n) {
    for (int64_t c = 0; c < call.channels; ++c) {
      const auto y = [&](int64_t l, int64_t channel) {
        return static_cast<double>(call.y[(n * call.length + l) * call.stride + channel]);
      };
      double mean = 0, variance = 0;
      const double count = static_cast<double>(size * call.length);
      for (int64_t i = 0; i < size * call.length; ++i)
        mean += y(i / size, c / size * size + i % size) / count;
      for (int64_t i = 0; i < size * call.length; ++i)
        variance += std::pow(y(i / size, c / size * size + i % size) - mean, 2) / count;
      for (int64_t l = 0; l < call.length; ++l) {
        double v = y(l, c);
        if (call.groups > 0) {
          v = (v - mean) / std::sqrt(variance + static_cast<double>(call.eps)) *
                  static_cast<double>(call.gamma[c]) +
              static_cast<double>(call.beta[c]);
        }
        v = activated(call.activation, v);
        if (call.scale != nullptr) v *= static_cast<double>(call.scale[n * call.film_stride + c]);
        if (call.shift != nullptr) v += static_cast<double>(call.shift[n * call.film_stride + c]);
        const int64_t row = n * call.length + l;
        if (call.residual != nullptr) v += static_cast<double>(call.residual[row * call.residual_stride + c]);
        call.out[row * call.out_stride + c] = static_cast<float>(v);
      }
    }
  }
}

}  // namespace reference
}  // namespace langevin
#endif  // HWY_ONCE
