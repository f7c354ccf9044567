#include "langevin/kernels/rows.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "langevin/kernels/rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "langevin/kernels/simd-inl.h"
#include "langevin/kernels/threads.h"

HWY_BEFORE_NAMESPACE();
namespace langevin::rows_simd::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using langevin::HWY_NAMESPACE::clamp_above;
using langevin::HWY_NAMESPACE::Digits;
using langevin::HWY_NAMESPACE::exp_minus;
using langevin::HWY_NAMESPACE::kDigitsOf;
using langevin::HWY_NAMESPACE::load;
using langevin::HWY_NAMESPACE::store;

/// body(d, i) for every element: full vectors first, then single lanes.
template <class Body>
HWY_INLINE void lanes(int64_t count, const Body& body) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const auto step = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + step <= count; i += step) body(d, i);
  for (; i < count; ++i) body(d1, i);
}

template <class T>
HWY_INLINE void softmax_row(const float* x, T* y, int64_t length, float scale, float* scratch) {
  const hn::ScalableTag<float> d;
  const auto step = static_cast<int64_t>(hn::Lanes(d));
  // The largest of scale x: a negative scale turns the order round.
  auto most_lanes = hn::Set(d, scale * x[0]);
  float most = scale * x[0];
  int64_t i = 0;
  for (; i + step <= length; i += step)
    most_lanes = hn::Max(most_lanes, hn::Mul(hn::Set(d, scale), hn::LoadU(d, x + i)));
  for (; i < length; ++i) most = std::max(most, scale * x[i]);
  most = std::max(most, hn::GetLane(hn::MaxOfLanes(d, most_lanes)));
  auto sum_lanes = hn::Zero(d);
  float sum = 0;
  lanes(length, [&](auto tag, int64_t at) {
    const auto z = hn::NegMulAdd(hn::Set(tag, scale), hn::LoadU(tag, x + at), hn::Set(tag, most));
    const auto e = exp_minus<Digits::all>(tag, clamp_above(tag, z));
    hn::StoreU(e, tag, scratch + at);
    if constexpr (hn::MaxLanes(decltype(tag)()) == 1) {
      sum += hn::GetLane(e);
    } else {
      sum_lanes = hn::Add(sum_lanes, e);
    }
  });
  sum += hn::GetLane(hn::SumOfLanes(d, sum_lanes));
  lanes(length, [&](auto tag, int64_t at) {
    store(tag, hn::Mul(hn::LoadU(tag, scratch + at), hn::Set(tag, 1.0F / sum)), y + at);
  });
}

/// Output rows [begin, end) of a linear map.
void linear_part(const LinearRow& call, int64_t begin, int64_t end) {
  const hn::ScalableTag<float> d;
  const auto step = static_cast<int64_t>(hn::Lanes(d));
  const int64_t stride = call.stride == 0 ? call.in : call.stride;
  for (int64_t o = begin; o < end; ++o) {
    const float* w = call.weight + o * stride;
    auto s0 = hn::Zero(d), s1 = hn::Zero(d);
    int64_t i = 0;
    for (; i + 2 * step <= call.in; i += 2 * step) {
      s0 = hn::MulAdd(hn::LoadU(d, w + i), hn::LoadU(d, call.x + i), s0);
      s1 = hn::MulAdd(hn::LoadU(d, w + i + step), hn::LoadU(d, call.x + i + step), s1);
    }
    float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(s0, s1)));
    for (; i < call.in; ++i) sum += w[i] * call.x[i];
    call.y[o] = sum + (call.bias == nullptr ? 0.0F : call.bias[o]);
  }
}

template <class T>
HWY_INLINE void blend_part(const Blend<T>& call, int64_t begin, int64_t count) {
  lanes(count, [&](auto d, int64_t i) {
    const int64_t at = begin + i;
    auto y = hn::MulAdd(hn::Set(d, call.a), load(d, call.x + at), hn::Set(d, call.c));
    if (call.z != nullptr) y = hn::MulAdd(hn::Set(d, call.b), load(d, call.z + at), y);
    store(d, y, call.y + at);
  });
}

template <class T>
HWY_INLINE void silu_part(const T* x, T* y, int64_t count) {
  lanes(count, [&](auto d, int64_t i) {
    store(d, langevin::HWY_NAMESPACE::silu<kDigitsOf<T>>(d, load(d, x + i)), y + i);
  });
}

template <class T>
HWY_INLINE void mish_part(const T* x, T* y, int64_t count) {
  lanes(count, [&](auto d, int64_t i) {
    store(d, langevin::HWY_NAMESPACE::mish<kDigitsOf<T>>(d, load(d, x + i)), y + i);
  });
}

template <class T>
HWY_INLINE void add_row(const T* x, const float* scale, const float* row, T* y, int64_t c) {
  if (scale == nullptr) {
    lanes(c, [&](auto d, int64_t i) { store(d, hn::Add(load(d, x + i), hn::LoadU(d, row + i)), y + i); });
  } else {
    lanes(c, [&](auto d, int64_t i) {
      store(d, hn::MulAdd(hn::LoadU(d, scale + i), load(d, x + i), hn::LoadU(d, row + i)), y + i);
    });
  }
}

void softmax_f32(float* x, float* y, int64_t length, float scale) { softmax_row(x, y, length, scale, y); }
// The row of scores is read before it is overwritten by its exponentials.
void softmax_bf16(float* x, BF16* y, int64_t length, float scale) { softmax_row(x, y, length, scale, x); }
void blend_f32(const Blend<float>& call, int64_t begin, int64_t n) { blend_part(call, begin, n); }
void blend_bf16(const Blend<BF16>& call, int64_t begin, int64_t n) { blend_part(call, begin, n); }
void silu_f32(const float* x, float* y, int64_t n) { silu_part(x, y, n); }
void silu_bf16(const BF16* x, BF16* y, int64_t n) { silu_part(x, y, n); }
void mish_f32(const float* x, float* y, int64_t n) { mish_part(x, y, n); }
void mish_bf16(const BF16* x, BF16* y, int64_t n) { mish_part(x, y, n); }
void add_f32(const float* x, const float* scale, const float* row, float* y, int64_t c) {
  add_row(x, scale, row, y, c);
}
void add_bf16(const BF16* x, const float* scale, const float* row, BF16* y, int64_t c) {
  add_row(x, scale, row, y, c);
}

}  // namespace langevin::rows_simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace langevin {
namespace rows_simd {
HWY_EXPORT(softmax_f32);
HWY_EXPORT(softmax_bf16);
HWY_EXPORT(linear_part);
HWY_EXPORT(blend_f32);
HWY_EXPORT(blend_bf16);
HWY_EXPORT(silu_f32);
HWY_EXPORT(silu_bf16);
HWY_EXPORT(mish_f32);
HWY_EXPORT(mish_bf16);
HWY_EXPORT(add_f32);
HWY_EXPORT(add_bf16);
}  // namespace rows_simd

namespace {

template <class T, class Part>
void add_channels_by(const AddChannels<T>& call, const Part& part) {
  parallel_for(call.n * call.hw, threads_for(call.n * call.hw * call.c), [&](int64_t position, int) {
    const int64_t row = position / call.hw * call.stride;
    part(call.x + position * call.c, call.scale == nullptr ? nullptr : call.scale + row, call.row + row,
         call.y + position * call.c);
  });
}

}  // namespace

void softmax_rows(const Softmax<float>& call) {
  parallel_for(call.rows, threads_for(call.rows * call.length), [&](int64_t r, int) {
    HWY_DYNAMIC_DISPATCH(rows_simd::softmax_f32)
    (call.x + r * call.length, call.y + r * call.length, call.length, call.scale);
  });
}

void softmax_rows(const Softmax<BF16>& call) {
  parallel_for(call.rows, threads_for(call.rows * call.length), [&](int64_t r, int) {
    HWY_DYNAMIC_DISPATCH(rows_simd::softmax_bf16)
    (call.x + r * call.length, call.y + r * call.length, call.length, call.scale);
  });
}

void linear_row(const LinearRow& call) {
  constexpr int64_t kRows = 32;
  parallel_for((call.out + kRows - 1) / kRows, threads_for(call.in * call.out), [&](int64_t block, int) {
    HWY_DYNAMIC_DISPATCH(rows_simd::linear_part)
    (call, block * kRows, std::min(call.out, (block + 1) * kRows));
  });
}

void blend(const Blend<float>& call) {
  parallel_chunks(call.count, [&](int64_t begin, int64_t n) {
    HWY_DYNAMIC_DISPATCH(rows_simd::blend_f32)(call, begin, n);
  });
}
void blend(const Blend<BF16>& call) {
  parallel_chunks(call.count, [&](int64_t begin, int64_t n) {
    HWY_DYNAMIC_DISPATCH(rows_simd::blend_bf16)(call, begin, n);
  });
}
void silu(const float* x, float* y, int64_t count) {
  parallel_chunks(count, [&](int64_t begin, int64_t n) {
    HWY_DYNAMIC_DISPATCH(rows_simd::silu_f32)(x + begin, y + begin, n);
  });
}
void silu(const BF16* x, BF16* y, int64_t count) {
  parallel_chunks(count, [&](int64_t begin, int64_t n) {
    HWY_DYNAMIC_DISPATCH(rows_simd::silu_bf16)(x + begin, y + begin, n);
  });
}
void mish(const float* x, float* y, int64_t count) {
  parallel_chunks(count, [&](int64_t begin, int64_t n) {
    HWY_DYNAMIC_DISPATCH(rows_simd::mish_f32)(x + begin, y + begin, n);
  });
}
void mish(const BF16* x, BF16* y, int64_t count) {
  parallel_chunks(count, [&](int64_t begin, int64_t n) {
    HWY_DYNAMIC_DISPATCH(rows_simd::mish_bf16)(x + begin, y + begin, n);
  });
}
void add_channels(const AddChannels<float>& call) {
  add_channels_by(call, [&](const float* x, const float* scale, const float* row, float* y) {
    HWY_DYNAMIC_DISPATCH(rows_simd::add_f32)(x, scale, row, y, call.c);
  });
}
void add_channels(const AddChannels<BF16>& call) {
  add_channels_by(call, [&](const BF16* x, const float* scale, const float* row, BF16* y) {
    HWY_DYNAMIC_DISPATCH(rows_simd::add_bf16)(x, scale, row, y, call.c);
  });
}

}  // namespace langevin
#endif  // HWY_ONCE
