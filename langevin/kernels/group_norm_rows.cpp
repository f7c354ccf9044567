#include "langevin/kernels/group_norm_rows.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "langevin/kernels/group_norm_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "langevin/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace langevin::group_norm_rows::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using langevin::HWY_NAMESPACE::Digits;
using langevin::HWY_NAMESPACE::kDigitsOf;
using langevin::HWY_NAMESPACE::load;
using langevin::HWY_NAMESPACE::silu;
using langevin::HWY_NAMESPACE::silu_slope;
using langevin::HWY_NAMESPACE::store;
using langevin::HWY_NAMESPACE::store_byte;
using langevin::HWY_NAMESPACE::store_result;

// Rows that share one load of the coefficients; as many forward streams as the prefetcher follows easily.
constexpr size_t kTile = 8;

/// Calls body(d, offset, lane, rows, stride) over columns [0, columns) of `rows` rows starting at `offset`.
template <class Body>
HWY_INLINE void columns(size_t offset, size_t columns, size_t rows, size_t stride, const Body& body) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const size_t lanes = hn::Lanes(d);
  size_t lane = 0;
  for (; lane + lanes <= columns; lane += lanes) body(d, offset + lane, lane, rows, stride);
  for (; lane < columns; ++lane) body(d1, offset + lane, lane, rows, stride);
}

/// Every element of the chunk, kTile rows at a time; the last row may be short.
template <class Body>
HWY_INLINE void tiles(const Chunk& chunk, const Body& body) {
  const size_t rows = chunk.total / chunk.period;
  const size_t rest = chunk.total % chunk.period;
  for (size_t row = 0; row < rows; row += kTile) {
    columns(row * chunk.period, chunk.period, std::min(kTile, rows - row), chunk.period, body);
  }
  if (rest > 0) columns(rows * chunk.period, rest, 1, chunk.period, body);
}

/// act'(z) times dy; to all digits even for bf16, because dx is a difference of such terms.
template <bool kSilu, class D, class V = hn::Vec<D>>
HWY_INLINE V gradient_of_z([[maybe_unused]] D d, V x, V dy, V a, V b) {
  if constexpr (kSilu) {
    return hn::Mul(dy, silu_slope<Digits::all>(d, hn::MulAdd(a, x, b)));
  } else {
    return dy;
  }
}

template <class T>
struct MomentsBody {
  Moments<T> args;
  template <class D>
  HWY_INLINE void operator()(D d, size_t at, size_t lane, size_t rows, size_t stride) const {
    const auto pivot = load(d, args.pivot + lane);
    auto sum = load(d, args.sum + lane);
    auto sum2 = load(d, args.sum2 + lane);
    for (size_t row = 0; row < rows; ++row) {
      const auto x = hn::Sub(load(d, args.x + at + row * stride), pivot);
      sum = hn::Add(sum, x);
      sum2 = hn::MulAdd(x, x, sum2);
    }
    store(d, sum, args.sum + lane);
    store(d, sum2, args.sum2 + lane);
  }
};

template <class T, bool kSilu>
struct ApplyBody {
  Apply<T> args;
  template <class D>
  HWY_INLINE void operator()(D d, size_t at, size_t lane, size_t rows, size_t stride) const {
    const auto a = load(d, args.a + lane);
    const auto b = load(d, args.b + lane);
    for (size_t row = 0; row < rows; ++row) {
      auto z = hn::MulAdd(a, load(d, args.x + at + row * stride), b);
      if constexpr (kSilu) z = silu<kDigitsOf<T>>(d, z);
      store_result(d, z, args.y + at + row * stride);
    }
  }
};

template <class T, bool kSilu>
struct ApplyBytesBody {
  ApplyBytes<T> args;
  template <class D>
  HWY_INLINE void operator()(D d, size_t at, size_t lane, size_t rows, size_t stride) const {
    const auto a = load(d, args.a + lane);
    const auto b = load(d, args.b + lane);
    for (size_t row = 0; row < rows; ++row) {
      auto z = hn::MulAdd(a, load(d, args.x + at + row * stride), b);
      // A 256th of the range is all that stays: the digits of bf16 are enough.
      if constexpr (kSilu)
        z = hn::MulAdd(silu<Digits::bf16>(d, z), load(d, args.gain + lane), load(d, args.offset + lane));
      store_byte(d, z, args.y + at + row * stride);
    }
  }
};

template <class T, bool kSilu>
struct GradientSumsBody {
  GradientSums<T> args;
  template <class D>
  HWY_INLINE void operator()(D d, size_t at, size_t lane, size_t rows, size_t stride) const {
    const auto a = load(d, args.a + lane);
    const auto b = load(d, args.b + lane);
    const auto mean = load(d, args.mean + lane);
    auto sum = load(d, args.sum + lane);
    auto sum2 = load(d, args.sum2 + lane);
    for (size_t row = 0; row < rows; ++row) {
      const auto x = load(d, args.x + at + row * stride);
      const auto dz = gradient_of_z<kSilu>(d, x, load(d, args.dy + at + row * stride), a, b);
      sum = hn::Add(sum, dz);
      sum2 = hn::MulAdd(dz, hn::Sub(x, mean), sum2);
    }
    store(d, sum, args.sum + lane);
    store(d, sum2, args.sum2 + lane);
  }
};

template <class T, bool kSilu>
struct GradientApplyBody {
  GradientApply<T> args;
  template <class D>
  HWY_INLINE void operator()(D d, size_t at, size_t lane, size_t rows, size_t stride) const {
    const auto a = load(d, args.a + lane);
    const auto b = load(d, args.b + lane);
    const auto mean = load(d, args.mean + lane);
    const auto slope = load(d, args.c + lane);
    const auto constant = load(d, args.d + lane);
    for (size_t row = 0; row < rows; ++row) {
      const auto x = load(d, args.x + at + row * stride);
      const auto dz = gradient_of_z<kSilu>(d, x, load(d, args.dy + at + row * stride), a, b);
      const auto rest = hn::MulAdd(slope, hn::Sub(x, mean), constant);
      store_result(d, hn::MulAdd(a, dz, rest), args.dx + at + row * stride);
    }
  }
};

template <class T>
HWY_INLINE void moments_of(const Chunk& chunk, const Moments<T>& args) {
  std::fill_n(args.sum, chunk.period, 0.0F);
  std::fill_n(args.sum2, chunk.period, 0.0F);
  tiles(chunk, MomentsBody<T>{args});
}

template <class T>
HWY_INLINE void apply_of(const Chunk& chunk, const Apply<T>& args) {
  args.silu ? tiles(chunk, ApplyBody<T, true>{args}) : tiles(chunk, ApplyBody<T, false>{args});
}

template <class T>
HWY_INLINE void apply_bytes_of(const Chunk& chunk, const ApplyBytes<T>& args) {
  args.silu ? tiles(chunk, ApplyBytesBody<T, true>{args}) : tiles(chunk, ApplyBytesBody<T, false>{args});
}

template <class T>
HWY_INLINE void gradient_sums_of(const Chunk& chunk, const GradientSums<T>& args) {
  std::fill_n(args.sum, chunk.period, 0.0F);
  std::fill_n(args.sum2, chunk.period, 0.0F);
  args.silu ? tiles(chunk, GradientSumsBody<T, true>{args}) : tiles(chunk, GradientSumsBody<T, false>{args});
}

template <class T>
HWY_INLINE void gradient_apply_of(const Chunk& chunk, const GradientApply<T>& args) {
  args.silu ? tiles(chunk, GradientApplyBody<T, true>{args})
            : tiles(chunk, GradientApplyBody<T, false>{args});
}

void moments_f32(const Chunk& chunk, const Moments<float>& args) { moments_of(chunk, args); }
void moments_bf16(const Chunk& chunk, const Moments<BF16>& args) { moments_of(chunk, args); }
void apply_f32(const Chunk& chunk, const Apply<float>& args) { apply_of(chunk, args); }
void apply_bf16(const Chunk& chunk, const Apply<BF16>& args) { apply_of(chunk, args); }
void bytes_f32(const Chunk& chunk, const ApplyBytes<float>& args) { apply_bytes_of(chunk, args); }
void bytes_bf16(const Chunk& chunk, const ApplyBytes<BF16>& args) { apply_bytes_of(chunk, args); }
void sums_f32(const Chunk& chunk, const GradientSums<float>& args) { gradient_sums_of(chunk, args); }
void sums_bf16(const Chunk& chunk, const GradientSums<BF16>& args) { gradient_sums_of(chunk, args); }
void dx_f32(const Chunk& chunk, const GradientApply<float>& args) { gradient_apply_of(chunk, args); }
void dx_bf16(const Chunk& chunk, const GradientApply<BF16>& args) { gradient_apply_of(chunk, args); }

}  // namespace langevin::group_norm_rows::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace langevin::group_norm_rows {

HWY_EXPORT(moments_f32);
HWY_EXPORT(moments_bf16);
HWY_EXPORT(apply_f32);
HWY_EXPORT(apply_bf16);
HWY_EXPORT(bytes_f32);
HWY_EXPORT(bytes_bf16);
HWY_EXPORT(sums_f32);
HWY_EXPORT(sums_bf16);
HWY_EXPORT(dx_f32);
HWY_EXPORT(dx_bf16);

void moments(const Chunk& chunk, const Moments<float>& args) {
  HWY_DYNAMIC_DISPATCH(moments_f32)(chunk, args);
}
void moments(const Chunk& chunk, const Moments<BF16>& args) {
  HWY_DYNAMIC_DISPATCH(moments_bf16)(chunk, args);
}
void apply(const Chunk& chunk, const Apply<float>& args) { HWY_DYNAMIC_DISPATCH(apply_f32)(chunk, args); }
void apply(const Chunk& chunk, const Apply<BF16>& args) { HWY_DYNAMIC_DISPATCH(apply_bf16)(chunk, args); }
void apply(const Chunk& chunk, const ApplyBytes<float>& args) {
  HWY_DYNAMIC_DISPATCH(bytes_f32)(chunk, args);
}
void apply(const Chunk& chunk, const ApplyBytes<BF16>& args) {
  HWY_DYNAMIC_DISPATCH(bytes_bf16)(chunk, args);
}
void gradient_sums(const Chunk& chunk, const GradientSums<float>& args) {
  HWY_DYNAMIC_DISPATCH(sums_f32)(chunk, args);
}
void gradient_sums(const Chunk& chunk, const GradientSums<BF16>& args) {
  HWY_DYNAMIC_DISPATCH(sums_bf16)(chunk, args);
}
void gradient_apply(const Chunk& chunk, const GradientApply<float>& args) {
  HWY_DYNAMIC_DISPATCH(dx_f32)(chunk, args);
}
void gradient_apply(const Chunk& chunk, const GradientApply<BF16>& args) {
  HWY_DYNAMIC_DISPATCH(dx_bf16)(chunk, args);
}

}  // namespace langevin::group_norm_rows
#endif  // HWY_ONCE
