#include "langevin/kernels/dropout.h"

#include <algorithm>
#include <cmath>

#include "langevin/core/check.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "langevin/kernels/dropout.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "langevin/kernels/simd-inl.h"
#include "langevin/kernels/threads.h"

#ifndef LANGEVIN_KERNELS_DROPOUT_ONCE  // this file is read once for every instruction set
#define LANGEVIN_KERNELS_DROPOUT_ONCE
namespace langevin {

// One row's mask: the words all its Philox blocks share, and what the 16 random bits are compared with.
struct Mask {
  uint32_t step, sample_low, sample_high, key0, key1;
  int32_t threshold;  // of 2^16: below it the element is dropped
  float scale;
};

inline constexpr int64_t kElementsPerBlock = 8;

}  // namespace langevin
#endif

HWY_BEFORE_NAMESPACE();
namespace langevin::HWY_NAMESPACE {

constexpr size_t kTileBlocks = 64;  // 512 elements: the bits stay in the L1 cache
constexpr int64_t kTileElements = kTileBlocks * kElementsPerBlock;

#if HWY_TARGET == HWY_SCALAR
/// Philox4x32-10 of blocks first, first + 1, ...: four words each, in the order of the stream.
HWY_INLINE void fill_bits(const Mask& mask, uint32_t first, uint32_t* words) {
  for (uint32_t block = 0; block < kTileBlocks; ++block) {
    const auto four =
        philox4x32({first + block, mask.step, mask.sample_low, mask.sample_high}, {mask.key0, mask.key1});
    std::copy(four.begin(), four.end(), words + 4 * block);
  }
}
#else
/// Upper and lower halves of the 64-bit products a * b.
template <class D, class V>
HWY_INLINE void multiply(D d, V a, V b, V& high, V& low) {
  const hn::RepartitionToWide<D> wide;
  const auto even = hn::MulEven(a, b);
  const auto odd = hn::MulEven(hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(wide, a))), b);
  high = hn::OddEven(hn::BitCast(d, odd), hn::BitCast(d, hn::ShiftRight<32>(even)));
  low = hn::OddEven(hn::BitCast(d, hn::ShiftLeft<32>(odd)), hn::BitCast(d, even));
}

/// Philox4x32-10 (as core's philox4x32) of blocks first, first + 1, ...: four words each, in the order of the
/// stream.
HWY_INLINE void fill_bits(const Mask& mask, uint32_t first, uint32_t* words) {
  const hn::ScalableTag<uint32_t> d;
  using V = hn::Vec<decltype(d)>;
  const size_t lanes = hn::Lanes(d);
  for (size_t block = 0; block < kTileBlocks; block += lanes) {
    V c0 = hn::Iota(d, first + static_cast<uint32_t>(block));
    V c1 = hn::Set(d, mask.step);
    V c2 = hn::Set(d, mask.sample_low);
    V c3 = hn::Set(d, mask.sample_high);
    uint32_t k0 = mask.key0;
    uint32_t k1 = mask.key1;
    for (int round = 0; round < 10; ++round) {
      V high0, low0, high1, low1;
      multiply(d, c0, hn::Set(d, 0xD2511F53U), high0, low0);
      multiply(d, c2, hn::Set(d, 0xCD9E8D57U), high1, low1);
      c0 = hn::Xor(high1, hn::Xor(c1, hn::Set(d, k0)));
      c1 = low1;
      c2 = hn::Xor(high0, hn::Xor(c3, hn::Set(d, k1)));
      c3 = low0;
      k0 += 0x9E3779B9U;
      k1 += 0xBB67AE85U;
    }
    hn::StoreInterleaved4(c0, c1, c2, c3, d, words + 4 * block);
  }
}
#endif

template <class D, class T>
HWY_INLINE void keep(D d, const Mask& mask, const uint16_t* bits, const T* x, T* y) {
  const hn::Rebind<uint16_t, D> d16;
  const hn::Rebind<int32_t, D> d32;
  const auto drawn = hn::PromoteTo(d32, hn::LoadU(d16, bits));
  const auto kept = hn::RebindMask(d, hn::Gt(drawn, hn::Set(d32, mask.threshold - 1)));
  store(d, hn::IfThenElseZero(kept, hn::Mul(load(d, x), hn::Set(d, mask.scale))), y);
}

/// n elements from element `first` of the row, which starts a block.
template <class T>
HWY_INLINE void drop(const Mask& mask, int64_t first, const T* x, T* y, int64_t n) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  // Little-endian memory holds the words' low halves first, which is the order of the elements.
  HWY_ALIGN_MAX uint32_t words[4 * kTileBlocks];
  const auto* bits = reinterpret_cast<const uint16_t*>(words);
  for (int64_t at = 0; at < n; at += kTileElements) {
    fill_bits(mask, static_cast<uint32_t>((first + at) / kElementsPerBlock), words);
    const int64_t count = std::min(kTileElements, n - at);
    int64_t i = 0;
    for (; i + lanes <= count; i += lanes) keep(d, mask, bits + i, x + at + i, y + at + i);
    for (; i < count; ++i) keep(d1, mask, bits + i, x + at + i, y + at + i);
  }
}

void drop_f32(const Mask& mask, int64_t first, const float* x, float* y, int64_t n) {
  drop(mask, first, x, y, n);
}
void drop_bf16(const Mask& mask, int64_t first, const BF16* x, BF16* y, int64_t n) {
  drop(mask, first, x, y, n);
}

}  // namespace langevin::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace langevin {

HWY_EXPORT(drop_f32);
HWY_EXPORT(drop_bf16);

namespace {

constexpr double kSteps = 65536;  // 16 bits an element

int32_t threshold_of(double p) {
  check(p >= 0 && p < 1, "apply_dropout", "p must be in [0, 1), got {}", p);
  return static_cast<int32_t>(std::min(std::round(p * kSteps), kSteps - 1));
}

float scale_of(int32_t threshold) { return static_cast<float>(kSteps / (kSteps - threshold)); }

void check_sizes(int64_t n, int64_t elements, const NoiseKey& key) {
  check(n >= 0 && elements >= 0 && elements <= int64_t{1} << 34, "apply_dropout",
        "n and elements must be in range (elements at most 2^34), got {} and {}", n, elements);
  check(key.sample + static_cast<uint64_t>(n) <= uint64_t{1} << 56, "apply_dropout",
        "the key's sample + n must be below 2^56, got {} + {}", key.sample, n);
}

Mask mask_of(const NoiseKey& key, int64_t row, int32_t threshold) {
  const uint64_t sample = key.sample + static_cast<uint64_t>(row);
  const uint32_t high = static_cast<uint32_t>(sample >> 32) | static_cast<uint32_t>(key.purpose) << 24;
  return {key.step,
          static_cast<uint32_t>(sample),
          high,
          static_cast<uint32_t>(key.seed),
          static_cast<uint32_t>(key.seed >> 32),
          threshold,
          scale_of(threshold)};
}

template <class T, class Drop>
void apply(const T* x, T* y, int64_t n, int64_t elements, double p, const NoiseKey& key, const Drop& drop) {
  const int32_t threshold = threshold_of(p);
  check_sizes(n, elements, key);
  const int64_t chunks = (elements + kChunk - 1) / kChunk;
  parallel_for(n * chunks, threads_for(n * elements), [&](int64_t i, int) {
    const int64_t row = i / chunks;
    const int64_t first = i % chunks * kChunk;
    const int64_t at = row * elements + first;
    drop(mask_of(key, row, threshold), first, x + at, y + at, std::min(kChunk, elements - first));
  });
}

void put(float* to, float value) { *to = value; }
void put(BF16* to, float value) { *to = to_bf16(value); }

template <class T>
void apply_plainly(const T* x, T* y, int64_t n, int64_t elements, double p, const NoiseKey& key) {
  const int32_t threshold = threshold_of(p);
  check_sizes(n, elements, key);
  for (int64_t row = 0; row < n; ++row) {
    NoiseKey own = key;
    own.sample += static_cast<uint64_t>(row);
    for (int64_t j = 0; j < elements; ++j) {
      const auto block = random_block(own, static_cast<uint32_t>(j / kElementsPerBlock));
      const uint32_t word = block[static_cast<size_t>(j / 2 % 4)];
      const auto drawn = static_cast<int32_t>(j % 2 == 0 ? word & 0xffffU : word >> 16);
      const float value = drawn >= threshold ? to_float(x[row * elements + j]) * scale_of(threshold) : 0;
      put(y + row * elements + j, value);
    }
  }
}

}  // namespace

void apply_dropout(const float* x, float* y, int64_t n, int64_t elements, double p, const NoiseKey& key) {
  apply(x, y, n, elements, p, key, HWY_DYNAMIC_DISPATCH(drop_f32));
}
void apply_dropout(const BF16* x, BF16* y, int64_t n, int64_t elements, double p, const NoiseKey& key) {
  apply(x, y, n, elements, p, key, HWY_DYNAMIC_DISPATCH(drop_bf16));
}

namespace reference {
void apply_dropout(const float* x, float* y, int64_t n, int64_t elements, double p, const NoiseKey& key) {
  apply_plainly(x, y, n, elements, p, key);
}
void apply_dropout(const BF16* x, BF16* y, int64_t n, int64_t elements, double p, const NoiseKey& key) {
  apply_plainly(x, y, n, elements, p, key);
}
}  // namespace reference

}  // namespace langevin
#endif  // HWY_ONCE
