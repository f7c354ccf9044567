#include "langevin/kernels/cast.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "langevin/kernels/cast.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "langevin/kernels/simd-inl.h"
#include "langevin/kernels/threads.h"

HWY_BEFORE_NAMESPACE();
namespace langevin::HWY_NAMESPACE {

template <class From, class To>
HWY_INLINE void cast_of(const From* from, To* to, int64_t n) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(d, load(d, from + i), to + i);
  for (; i < n; ++i) store(d1, load(d1, from + i), to + i);
}

void to_bf16_chunk(const float* from, BF16* to, int64_t n) { cast_of(from, to, n); }
void to_f32_chunk(const BF16* from, float* to, int64_t n) { cast_of(from, to, n); }

}  // namespace langevin::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace langevin {

HWY_EXPORT(to_bf16_chunk);
HWY_EXPORT(to_f32_chunk);

void cast(const float* from, BF16* to, int64_t n) {
  parallel_chunks(n, [&](int64_t at, int64_t count) {
    HWY_DYNAMIC_DISPATCH(to_bf16_chunk)(from + at, to + at, count);
  });
}

void cast(const BF16* from, float* to, int64_t n) {
  parallel_chunks(n, [&](int64_t at, int64_t count) {
    HWY_DYNAMIC_DISPATCH(to_f32_chunk)(from + at, to + at, count);
  });
}

namespace reference {

void cast(const float* from, BF16* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = to_bf16(from[i]);
}

void cast(const BF16* from, float* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = to_float(from[i]);
}

}  // namespace reference
}  // namespace langevin
#endif  // HWY_ONCE
