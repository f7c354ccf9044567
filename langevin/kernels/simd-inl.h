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

template <class D>
HWY_INLINE void store_upper_half([[maybe_unused]] D d, hn::Vec<hn::Rebind<uint32_t, D>> bits, BF16* to) {
  const hn::Rebind<uint16_t, D> d16;
  hn::StoreU(hn::TruncateTo(d16, hn::ShiftRight<16>(bits)), d16, &to->bits);
}

template <class D>
HWY_INLINE hn::Vec<hn::Rebind<uint32_t, D>> rounded_bits(D, hn::Vec<D> v) {
  const hn::Rebind<uint32_t, D> d32;
  const auto bits = hn::BitCast(d32, v);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(d32, 1));
  return hn::Add(bits, hn::Add(odd, hn::Set(d32, 0x7fff)));
}

/// Rounds as to_bf16: nearest, ties to even, NaN kept.
template <class D>
HWY_INLINE void store(D d, hn::Vec<D> v, BF16* to) {
  const hn::Rebind<uint32_t, D> d32;
  const auto quiet = hn::Or(hn::BitCast(d32, v), hn::Set(d32, 0x00400000));
  const auto is_number = hn::RebindMask(d32, hn::Eq(v, v));
  store_upper_half(d, hn::IfThenElse(is_number, rounded_bits(d, v), quiet), to);
}

/// As store, for results of arithmetic whose only NaNs are the machine's own or come from bf16 values: their
/// lower halves are 0, so rounding leaves them NaN and needs no test.
template <class D>
HWY_INLINE void store_result([[maybe_unused]] D d, hn::Vec<D> v, float* to) {
  hn::StoreU(v, d, to);
}

template <class D>
HWY_INLINE void store_result([[maybe_unused]] D d, hn::Vec<D> v, BF16* to) {
  store_upper_half(d, rounded_bits(d, v), to);
}

/// v rounded to the nearest of 0..255; NaN becomes one of them.
template <class D>
HWY_INLINE void store_byte([[maybe_unused]] D d, hn::Vec<D> v, uint8_t* to) {
  const hn::Rebind<uint32_t, D> d32;
  const hn::Rebind<uint8_t, D> d8;
  const auto in_range = hn::Min(hn::Max(v, hn::Zero(d)), hn::Set(d, 255.0F));
  // 2^23: adding it rounds to an integer, which then stands in the low bits.
  const auto bits = hn::BitCast(d32, hn::Add(in_range, hn::Set(d, 8388608.0F)));
  hn::StoreU(hn::TruncateTo(d8, bits), d8, to);
}

/// How exact a sigmoid must be: for a sum or an fp32 result (relative error 1e-6), or for a result that is
/// rounded to bfloat16 at once (2e-4, a twentieth of that rounding).
enum class Digits { all, bf16 };

/// The digits that survive the rounding to T.
template <class T>
inline constexpr Digits kDigitsOf = sizeof(T) == 2 ? Digits::bf16 : Digits::all;

inline constexpr float kSigmoidLimit = 80.0F;  // sigmoid(-80) = 2e-35: nothing is lost beyond it

#if HWY_ARCH_X86 && HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
/// 1 / v for normal v: the hardware's estimate, and one Newton step if all digits are wanted.
template <Digits kDigits, class D>
HWY_INLINE hn::Vec<D> reciprocal([[maybe_unused]] D d, hn::Vec<D> v) {
  const auto estimate = hn::ApproximateReciprocal(v);
  if constexpr (kDigits == Digits::bf16 && HWY_TARGET <= HWY_AVX3)
    return estimate;  // 14 bits; before AVX-512 12
  const auto error = hn::NegMulAdd(v, estimate, hn::Set(d, 1.0F));
  return hn::MulAdd(estimate, error, estimate);
}

/// z cut to [-80, ...) and (..., 80]; keeps NaN: these instructions return their second operand when one is
/// NaN.
template <class D>
HWY_INLINE hn::Vec<D> clamp_below(D d, hn::Vec<D> z) {
  return hn::Max(hn::Set(d, -kSigmoidLimit), z);
}

template <class D>
HWY_INLINE hn::Vec<D> clamp_above(D d, hn::Vec<D> z) {
  return hn::Min(hn::Set(d, kSigmoidLimit), z);
}
#else
template <Digits kDigits, class D>
HWY_INLINE hn::Vec<D> reciprocal([[maybe_unused]] D d, hn::Vec<D> v) {
  return hn::Div(hn::Set(d, 1.0F), v);
}

template <class D>
HWY_INLINE hn::Vec<D> clamp_below(D d, hn::Vec<D> z) {
  const auto limit = hn::Set(d, -kSigmoidLimit);
  return hn::IfThenElse(hn::Lt(z, limit), limit, z);
}

template <class D>
HWY_INLINE hn::Vec<D> clamp_above(D d, hn::Vec<D> z) {
  const auto limit = hn::Set(d, kSigmoidLimit);
  return hn::IfThenElse(hn::Gt(z, limit), limit, z);
}
#endif

/// exp(r) for |r| <= ln(2)/2; polynomials fitted to the relative error: 1.2e-7, or 1.3e-4.
template <Digits kDigits, class D>
HWY_INLINE hn::Vec<D> exp_of_fraction(D d, hn::Vec<D> r) {
  const auto one = hn::Set(d, 1.0F);
  if constexpr (kDigits == Digits::bf16) {
    const auto q = hn::MulAdd(r, hn::Set(d, 0.1666F), hn::Set(d, 0.504F));
    return hn::MulAdd(r, hn::MulAdd(r, q, one), one);
  } else {
    auto q = hn::MulAdd(r, hn::Set(d, 0.0083674388F), hn::Set(d, 0.0419055335F));
    q = hn::MulAdd(r, q, hn::Set(d, 0.166665345F));
    q = hn::MulAdd(r, q, hn::Set(d, 0.499990761F));
    return hn::MulAdd(r, hn::MulAdd(r, q, one), one);
  }
}

/// exp(-z) = 2^n exp(r) for |z| <= 80; without fused multiply-add the relative error grows to 3e-6. Undefined
/// for NaN.
template <Digits kDigits, class D>
HWY_INLINE hn::Vec<D> exp_minus(D d, hn::Vec<D> z) {
  const hn::Rebind<int32_t, D> di;
  const auto magic = hn::Set(d, 12582912.0F);  // 1.5 * 2^23: adding it rounds to an integer in the low bits
  const auto shifted = hn::MulAdd(z, hn::Set(d, -1.44269504F), magic);
  const auto n = hn::Sub(shifted, magic);
  const auto r = hn::NegMulSub(n, hn::Set(d, 0.693147182F), z);
  const auto power = hn::ShiftLeft<23>(hn::BitCast(di, shifted));
  return hn::BitCast(d, hn::Add(hn::BitCast(di, exp_of_fraction<kDigits>(d, r)), power));
}

/// z * sigmoid(z) for every z.
template <Digits kDigits, class D>
HWY_INLINE hn::Vec<D> silu(D d, hn::Vec<D> any) {
  const auto z = clamp_below(d, any);
  const auto e = exp_minus<kDigits>(d, clamp_above(d, z));
  return hn::Mul(z, reciprocal<kDigits>(d, hn::Add(e, hn::Set(d, 1.0F))));
}

/// z tanh(ln(1 + e^z)) for every z: with u = e^z, n = u (u + 2), it is z n / (n + 2), where nothing cancels;
/// it is z itself to every digit from 20 on.
template <Digits kDigits, class D>
HWY_INLINE hn::Vec<D> mish(D d, hn::Vec<D> any) {
  const auto z = clamp_below(d, any);
  const auto u = exp_minus<kDigits>(d, hn::Neg(hn::Min(z, hn::Set(d, 20.0F))));
  const auto n = hn::Mul(u, hn::Add(u, hn::Set(d, 2.0F)));
  return hn::Mul(z, hn::Mul(n, reciprocal<kDigits>(d, hn::Add(n, hn::Set(d, 2.0F)))));
}

/// The derivative s (1 + z (1 - s)) with s = sigmoid(z), where 1 - s = exp(-z) s: no digits are lost for
/// large z.
template <Digits kDigits, class D>
HWY_INLINE hn::Vec<D> silu_slope(D d, hn::Vec<D> any) {
  const auto z = clamp_above(d, clamp_below(d, any));
  const auto e = exp_minus<kDigits>(d, z);
  const auto s = reciprocal<kDigits>(d, hn::Add(e, hn::Set(d, 1.0F)));
  return hn::MulAdd(hn::Mul(z, s), hn::Mul(e, s), s);
}

}  // namespace langevin::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggle
