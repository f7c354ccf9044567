#include "langevin/kernels/stream_product.h"

#include <algorithm>
#include <cmath>
#include <cstring>

// Vectors whose length is known only at run time cannot stand in arrays; every processor that has them has
// fixed ones too.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "langevin/kernels/stream_product.cpp"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "langevin/kernels/bf16.h"
#include "langevin/kernels/stream_quantisation.h"

HWY_BEFORE_NAMESPACE();
namespace langevin::stream_simd::HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR
void product(const StreamUnit& unit) { reference::stream_product(unit); }
void quantise(const QuantisedRows& call) { reference::quantise_rows(call); }
#else

namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::CappedTag<float, 16>;
using Integers = hn::RebindToSigned<Floats>;
using Shorts = hn::Repartition<int16_t, Integers>;

constexpr int64_t kLanes = hn::MaxLanes(Floats());
constexpr int64_t kVectors = kStreamBlock / kLanes;                   // of a block's outputs
constexpr int64_t kColumns = kLanes >= 16 ? 8 : kLanes >= 8 ? 2 : 1;  // whose sums fit the registers
constexpr int64_t kChunkBytes = 32 << 10;                             // of a slice: stays in the L1 cache
constexpr int64_t kInt8Header = kStreamBlock * static_cast<int64_t>(sizeof(float));

HWY_INLINE void ask_ahead(const std::byte* row, int64_t bytes) {
  for (int64_t at = 0; at < bytes; at += 64) hwy::Prefetch(row + kStreamAhead + at);
}

struct FloatWeights {
  static constexpr int64_t kRowBytes = kStreamBlock * 4;
  static HWY_INLINE void load(const std::byte* row, hn::Vec<Floats> (&w)[kVectors]) {
    for (int64_t v = 0; v < kVectors; ++v)
      w[v] = hn::Load(Floats(), reinterpret_cast<const float*>(row) + v * kLanes);
  }
};

struct Bf16Weights {
  static constexpr int64_t kRowBytes = kStreamBlock * 2;
  // Output j is the lower half of word j, output 16 + j the upper one: either becomes a float in one
  // instruction.
  static HWY_INLINE void load(const std::byte* row, hn::Vec<Floats> (&w)[kVectors]) {
    const hn::RebindToUnsigned<Floats> du;
    const auto upper = hn::Set(du, 0xffff0000U);
    if constexpr (kVectors >= 2) {
      for (int64_t v = 0; v < kVectors / 2; ++v) {
        const auto pairs = hn::Load(du, reinterpret_cast<const uint32_t*>(row) + v * kLanes);
        w[v] = hn::BitCast(Floats(), hn::ShiftLeft<16>(pairs));
        w[kVectors / 2 + v] = hn::BitCast(Floats(), hn::And(pairs, upper));
      }
    }
  }
};

/// Sums `rows` rows of weights into the columns y.
template <class Weights, int64_t kCount>
HWY_INLINE void add_floats(const std::byte* weights, int64_t rows, const float* const* x, float* const* y) {
  const Floats d;
  hn::Vec<Floats> sums[kCount][kVectors];
  const float* from[kCount];
  for (int64_t c = 0; c < kCount; ++c) {
    from[c] = x[c];
    for (int64_t v = 0; v < kVectors; ++v) sums[c][v] = hn::Zero(d);
  }
  for (int64_t i = 0; i < rows; ++i) {
    hn::Vec<Floats> w[kVectors];
    Weights::load(weights, w);
    ask_ahead(weights, Weights::kRowBytes);
    weights += Weights::kRowBytes;
    for (int64_t c = 0; c < kCount; ++c) {
      const auto value = hn::Set(d, from[c][i]);
      for (int64_t v = 0; v < kVectors; ++v) sums[c][v] = hn::MulAdd(w[v], value, sums[c][v]);
    }
  }
  for (int64_t c = 0; c < kCount; ++c) {
    for (int64_t v = 0; v < kVectors; ++v) {
      float* to = y[c] + v * kLanes;
      hn::Store(hn::Add(sums[c][v], hn::Load(d, to)), d, to);
    }
  }
}

/// Likewise of int8, `rows` rows of pairs: y += scale * level_scale[c] * integer sum.
struct Int8Columns {
  const int16_t* const* x;
  const float* level_scales;  // of each column
  float* const* y;
};

template <int64_t kCount>
HWY_INLINE void add_integers(const std::byte* weights, const float* scales, int64_t rows,
                             const Int8Columns& columns) {
  const Floats d;
  const Integers di;
  const Shorts ds;
  const hn::Rebind<int8_t, Shorts> d8;
  // Two sums a vector: where an instruction adds even and odd pairs apart, they are joined at the end.
  hn::Vec<Integers> sums[kCount][kVectors], odd[kCount][kVectors];
  const int16_t* from[kCount];
  for (int64_t c = 0; c < kCount; ++c) {
    from[c] = columns.x[c];
    for (int64_t v = 0; v < kVectors; ++v) sums[c][v] = odd[c][v] = hn::Zero(di);
  }
  for (int64_t r = 0; r < rows; ++r) {
    hn::Vec<Shorts> w[kVectors];
    for (int64_t v = 0; v < kVectors; ++v)
      w[v] = hn::PromoteTo(ds, hn::Load(d8, reinterpret_cast<const int8_t*>(weights) + v * 2 * kLanes));
    ask_ahead(weights, kStreamBlock * 2);
    weights += kStreamBlock * 2;
    for (int64_t c = 0; c < kCount; ++c) {
      int32_t pair;
      std::memcpy(&pair, from[c] + 2 * r, sizeof(pair));
      const auto value = hn::BitCast(ds, hn::Set(di, pair));
      for (int64_t v = 0; v < kVectors; ++v)
        sums[c][v] = hn::ReorderWidenMulAccumulate(di, w[v], value, sums[c][v], odd[c][v]);
    }
  }
  for (int64_t c = 0; c < kCount; ++c) {
    const auto level = hn::Set(d, columns.level_scales[c]);
    for (int64_t v = 0; v < kVectors; ++v) {
      const auto sum = hn::ConvertTo(d, hn::RearrangeToOddPlusEven(sums[c][v], odd[c][v]));
      float* y = columns.y[c] + v * kLanes;
      const auto scale = hn::Mul(hn::Load(d, scales + v * kLanes), level);
      hn::Store(hn::MulAdd(sum, scale, hn::Load(d, y)), d, y);
    }
  }
}

/// Calls f<n>() for n = `count`, which is at most kColumns.
template <int64_t kCount = 1, class F>
HWY_INLINE void with_count(int64_t count, const F& f) {
  if constexpr (kCount == kColumns) {
    f(std::integral_constant<int64_t, kCount>());
  } else {
    if (count == kCount) return f(std::integral_constant<int64_t, kCount>());
    with_count<kCount + 1>(count, f);
  }
}

struct Slice {
  const std::byte* weights;
  int64_t in;
  const StreamTap& tap;
  const StreamRows& source;
  float* y;
  int64_t stride;
};

/// Calls f(first pair, count) for groups of at most kColumns pairs, about equally large.
template <class F>
HWY_INLINE void each_group(int64_t pairs, const F& f) {
  int64_t groups = (pairs + kColumns - 1) / kColumns;
  for (int64_t at = 0; groups > 0; --groups) {
    const int64_t count = (pairs - at + groups - 1) / groups;
    f(at, count);
    at += count;
  }
}

template <class Weights>
HWY_INLINE void float_slice(const Slice& s) {
  // Cut the same for any number of columns, so that a column's sum does not depend on the others.
  constexpr int64_t kRows = kChunkBytes / Weights::kRowBytes;
  const auto* x = static_cast<const float*>(s.source.x);
  for (int64_t begin = 0; begin < s.in; begin += kRows) {
    const int64_t rows = std::min(kRows, s.in - begin);
    each_group(s.tap.pairs, [&](int64_t at, int64_t count) {
      const float* from[kColumns] = {};
      float* to[kColumns] = {};
      for (int64_t c = 0; c < count; ++c) {
        from[c] = x + s.tap.rows[at + c] * s.source.stride + begin;
        to[c] = s.y + s.tap.columns[at + c] * s.stride;
      }
      with_count(count, [&](auto n) {
        add_floats<Weights, decltype(n)::value>(s.weights + begin * Weights::kRowBytes, rows, from, to);
      });
    });
  }
}

HWY_INLINE void integer_slice(const Slice& s) {
  const auto* x = static_cast<const int16_t*>(s.source.x);
  const auto* scales = reinterpret_cast<const float*>(s.weights);
  const std::byte* levels = s.weights + kInt8Header;
  const int64_t pairs = (s.in + 1) / 2, chunk = kIntegerRun / 2;
  for (int64_t begin = 0; begin < pairs; begin += chunk) {
    const int64_t rows = std::min(chunk, pairs - begin);
    each_group(s.tap.pairs, [&](int64_t at, int64_t count) {
      const int16_t* from[kColumns] = {};
      float* to[kColumns] = {};
      float level_scales[kColumns] = {};
      for (int64_t c = 0; c < count; ++c) {
        const int64_t row = s.tap.rows[at + c];
        from[c] = x + row * s.source.stride + 2 * begin;
        to[c] = s.y + s.tap.columns[at + c] * s.stride;
        level_scales[c] = s.source.scales[row];
      }
      with_count(count, [&](auto n) {
        add_integers<decltype(n)::value>(levels + begin * kStreamBlock * 2, scales, rows,
                                         {from, level_scales, to});
      });
    });
  }
}

void product(const StreamUnit& unit) {
  const std::byte* weights = unit.weights;
  for (int64_t block = 0; block < unit.blocks; ++block) {
    for (int64_t t = 0; t < unit.taps; ++t) {
      const StreamTap& tap = unit.tap[t];
      const StreamRows& source = unit.sources[tap.source];
      const Slice slice{weights, source.in, tap, source, unit.y + block * kStreamBlock, unit.stride};
      switch (unit.type) {
        case StreamType::fp32:
          float_slice<FloatWeights>(slice);
          break;
        case StreamType::bf16:
          float_slice<Bf16Weights>(slice);
          break;
        case StreamType::int8:
          integer_slice(slice);
          break;
      }
      weights += stream_slice_bytes(unit.type, source.in);
    }
  }
}

/// The largest |x|, or what is not finite.
HWY_INLINE float largest_of(const float* x, int64_t n) {
  const Floats d;
  auto most = hn::Zero(d), finite = hn::Zero(d);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const auto v = hn::LoadU(d, x + i);
    most = hn::Max(most, hn::Abs(v));
    finite = hn::MulAdd(v, hn::Zero(d), finite);
  }
  float largest = hn::GetLane(hn::MaxOfLanes(d, most)), rest = hn::GetLane(hn::SumOfLanes(d, finite));
  for (; i < n; ++i) {
    largest = std::max(largest, std::abs(x[i]));
    rest += x[i] * 0.0F;
  }
  return largest + rest;
}

void quantise(const QuantisedRows& call) {
  const Floats d;
  const hn::Rebind<int16_t, Floats> ds;
  const auto most = static_cast<float>(largest_level(call.in));
  for (int64_t r = 0; r < call.rows; ++r) {
    const float* x = call.x + r * call.x_stride;
    int16_t* q = call.q + r * call.q_stride;
    const float largest = largest_of(x, call.in);
    call.scales[r] = largest / most;
    const float up = largest > 1e-30F ? most / largest : 0;
    int64_t i = 0;
    for (; i + kLanes <= call.in; i += kLanes) {
      const auto level = hn::NearestInt(hn::Mul(hn::LoadU(d, x + i), hn::Set(d, up)));
      hn::StoreU(hn::DemoteTo(ds, level), ds, q + i);
    }
    for (; i < call.q_stride; ++i)
      q[i] = i < call.in && up > 0 ? static_cast<int16_t>(std::lrint(x[i] * up)) : int16_t{0};
  }
}

#endif

}  // namespace langevin::stream_simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace langevin {
namespace stream_simd {
HWY_EXPORT(product);
HWY_EXPORT(quantise);
}  // namespace stream_simd

namespace {

constexpr int64_t kHalf = kStreamBlock / 2;

void put_int8(const StreamWeights& from, int64_t output, std::byte* to) {
  const float* w = from.weights + output * from.out_stride;
  float largest = 0, rest = 0;  // rest: 0, or not a number where a weight is not finite
  for (int64_t i = 0; i < from.in; ++i) {
    largest = std::max(largest, std::abs(w[i * from.in_stride]));
    rest += w[i * from.in_stride] * 0.0F;
  }
  const float scale = largest / static_cast<float>(kWeightLevels) + rest;
  std::memcpy(to + output * static_cast<int64_t>(sizeof(float)), &scale, sizeof(float));
  if (!(scale > 0)) return;
  auto* levels = reinterpret_cast<int8_t*>(to + kStreamBlock * static_cast<int64_t>(sizeof(float)));
  for (int64_t i = 0; i < from.in; ++i) {
    const float level = std::nearbyint(w[i * from.in_stride] / scale);
    levels[i / 2 * 2 * kStreamBlock + 2 * output + i % 2] = static_cast<int8_t>(level);
  }
}

}  // namespace

int64_t stream_slice_bytes(StreamType type, int64_t in) {
  if (type == StreamType::fp32) return in * kStreamBlock * 4;
  if (type == StreamType::bf16) return in * kStreamBlock * 2;
  return kStreamBlock * 4 + (in + 1) / 2 * 2 * kStreamBlock;
}

void pack_stream_slice(StreamType type, const StreamWeights& from, std::byte* to) {
  std::memset(to, 0, static_cast<size_t>(stream_slice_bytes(type, from.in)));
  for (int64_t j = 0; j < from.out; ++j) {
    const float* w = from.weights + j * from.out_stride;
    if (type == StreamType::int8) {
      put_int8(from, j, to);
    } else if (type == StreamType::bf16) {
      auto* row = reinterpret_cast<BF16*>(to) + j % kHalf * 2 + j / kHalf;
      for (int64_t i = 0; i < from.in; ++i) row[i * kStreamBlock] = to_bf16(w[i * from.in_stride]);
    } else {
      auto* row = reinterpret_cast<float*>(to) + j;
      for (int64_t i = 0; i < from.in; ++i) row[i * kStreamBlock] = w[i * from.in_stride];
    }
  }
}

void stream_product(const StreamUnit& unit) { HWY_DYNAMIC_DISPATCH(stream_simd::product)(unit); }
void quantise_rows(const QuantisedRows& call) { HWY_DYNAMIC_DISPATCH(stream_simd::quantise)(call); }

}  // namespace langevin
#endif  // HWY_ONCE
