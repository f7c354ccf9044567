// Vector building blocks of the kernels, compiled once for every instruction set. Include after
// hwy/foreach_target.h. The guard toggles, as Highway asks of headers that are read again for each target.
#if defined(LANGEVIN_KERNELS_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef LANGEVIN_KERNELS_SIMD_INL_H_
#undef LANGEVIN_KERNELS_SIMD_INL_H_
#else
#define LANGEVIN_KERNELS_SIMD_INL_H_
#endif

#include <hwy/highway.h>

#include "langevin/kernels/bf16.h"

HWY_BEFORE_NAMESPACE();
namespace langevin::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Lanes(d) values from unaligned memory, as float.
template <class D>
HWY_INLINE hn::Vec<D> load([[maybe_unused]] D d, const float* from) {
  return hn::LoadU(d, from);
}

template <class D>
HWY_INLINE hn::Vec<D> load([[maybe_unused]] D d, const BF16* from) {
  const hn::Rebind<uint16_t, D> d16;
  const hn::Rebind<uint32_t, D> d32;
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(d32, hn::LoadU(d16, &from->bits))));
}

template <class D>
HWY_INLINE void store([[maybe_unused]] D d, hn::Vec<D> v, float* to) {
  hn::StoreU(v, d, to);
}

/// Rounds as to_bf16: nearest, ties to even, NaN kept.
template <class D>
HWY_INLINE void store([[maybe_unused]] D d, hn::Vec<D> v, BF16* to) {
  const hn::Rebind<uint16_t, D> d16;
  const hn::Rebind<uint32_t, D> d32;
  const hn::Rebind<int32_t, D> di32;
  const auto bits = hn::BitCast(d32, v);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(d32, 1));
  const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(d32, 0x7fff)));
  const auto quiet = hn::Or(bits, hn::Set(d32, 0x00400000));
  const auto is_number = hn::RebindMask(d32, hn::Eq(v, v));
  const auto upper = hn::ShiftRight<16>(hn::IfThenElse(is_number, rounded, quiet));
  hn::StoreU(hn::DemoteTo(d16, hn::BitCast(di32, upper)), d16, &to->bits);
}

/// 1 / v for normal v; on x86 one Newton step on the hardware's estimate, within 2 ulp or so.
#if HWY_ARCH_X86 && HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
template <class D>
HWY_INLINE hn::Vec<D> reciprocal(D d, hn::Vec<D> v) {
  const auto estimate = hn::ApproximateReciprocal(v);
  const auto error = hn::NegMulAdd(v, estimate, hn::Set(d, 1.0F));
  return hn::MulAdd(estimate, error, estimate);
}
#else
template <class D>
HWY_INLINE hn::Vec<D> reciprocal(D d, hn::Vec<D> v) {
  return hn::Div(hn::Set(d, 1.0F), v);
}
#endif

inline constexpr float kSigmoidLimit = 80.0F;  // sigmoid(-80) = 2e-35: nothing is lost below it

/// z, but no lower than -80, where SiLU and its derivative are 0 for all purposes. Keeps NaN.
template <class D>
HWY_INLINE hn::Vec<D> clamp_below(D d, hn::Vec<D> z) {
  const auto limit = hn::Set(d, -kSigmoidLimit);
  return hn::IfThenElse(hn::Lt(z, limit), limit, z);
}

/// z, but no higher than 80. Keeps NaN.
template <class D>
HWY_INLINE hn::Vec<D> clamp_above(D d, hn::Vec<D> z) {
  const auto limit = hn::Set(d, kSigmoidLimit);
  return hn::IfThenElse(hn::Gt(z, limit), limit, z);
}

/// exp(-z) for |z| <= 80, relative error below 1e-6 (without fused multiply-add: 3e-6). Undefined for NaN.
/// exp(-z) = 2^n exp(r), |r| <= ln(2)/2; the polynomial is fitted to exp with relative error 1.2e-7.
template <class D>
HWY_INLINE hn::Vec<D> exp_minus(D d, hn::Vec<D> z) {
  const hn::Rebind<int32_t, D> di;
  const auto magic = hn::Set(d, 12582912.0F);  // 1.5 * 2^23: adding it rounds to an integer in the low bits
  const auto shifted = hn::MulAdd(z, hn::Set(d, -1.44269504F), magic);
  const auto n = hn::Sub(shifted, magic);
  const auto r = hn::NegMulSub(n, hn::Set(d, 0.693147182F), z);
  auto q = hn::MulAdd(r, hn::Set(d, 0.0083674388F), hn::Set(d, 0.0419055335F));
  q = hn::MulAdd(r, q, hn::Set(d, 0.166665345F));
  q = hn::MulAdd(r, q, hn::Set(d, 0.499990761F));
  q = hn::MulAdd(r, q, hn::Set(d, 1.0F));
  q = hn::MulAdd(r, q, hn::Set(d, 1.0F));
  const auto power = hn::ShiftLeft<23>(hn::BitCast(di, shifted));
  return hn::BitCast(d, hn::Add(hn::BitCast(di, q), power));
}

/// z * sigmoid(z) for every z.
template <class D>
HWY_INLINE hn::Vec<D> silu(D d, hn::Vec<D> any) {
  const auto z = clamp_below(d, any);
  const auto e = exp_minus(d, hn::Min(z, hn::Set(d, kSigmoidLimit)));
  return hn::Mul(z, reciprocal(d, hn::Add(e, hn::Set(d, 1.0F))));
}

/// The derivative s (1 + z (1 - s)) with s = sigmoid(z), where 1 - s = exp(-z) s: no digits are lost for
/// large z.
template <class D>
HWY_INLINE hn::Vec<D> silu_slope(D d, hn::Vec<D> any) {
  const auto z = clamp_above(d, clamp_below(d, any));
  const auto e = exp_minus(d, z);
  const auto s = reciprocal(d, hn::Add(e, hn::Set(d, 1.0F)));
  return hn::MulAdd(hn::Mul(z, s), hn::Mul(e, s), s);
}

}  // namespace langevin::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggle
