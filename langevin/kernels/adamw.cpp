#include "langevin/kernels/adamw.h"

#include <cmath>
#include <vector>

#include "langevin/core/check.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "langevin/kernels/adamw.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "langevin/kernels/simd-inl.h"
#include "langevin/kernels/threads.h"

#ifndef LANGEVIN_KERNELS_ADAMW_ONCE  // this file is read once for every instruction set
#define LANGEVIN_KERNELS_ADAMW_ONCE
namespace langevin {

// The options' constants, combined in double and rounded once.
struct AdamWConstants {
  float multiplier, one_minus_beta1, beta2, one_minus_beta2, decay, step, inverse_sqrt_bias2, eps,
      one_minus_ema;
};

struct SgdConstants {
  float multiplier, weight_decay, momentum, lr, one_minus_ema;
  bool nesterov;
};

}  // namespace langevin
#endif

HWY_BEFORE_NAMESPACE();
namespace langevin::HWY_NAMESPACE {

// Writes the new weight, its bf16 copy and its moving average.
template <class D, class Arrays>
HWY_INLINE void finish(D d, const Arrays& p, int64_t i, hn::Vec<D> weight, float one_minus_ema) {
  hn::StoreU(weight, d, p.weight + i);
  if (p.weight_bf16 != nullptr) store(d, weight, p.weight_bf16 + i);
  if (p.ema != nullptr) {
    const auto ema = hn::LoadU(d, p.ema + i);
    hn::StoreU(hn::MulAdd(hn::Sub(weight, ema), hn::Set(d, one_minus_ema), ema), d, p.ema + i);
  }
}

template <class G>
struct AdamWBody {
  AdamWArrays<G> p;
  AdamWConstants k;
  template <class D>
  HWY_INLINE void operator()(D d, int64_t i) const {
    const auto g = hn::Mul(load(d, p.gradient + i), hn::Set(d, k.multiplier));
    auto m = hn::LoadU(d, p.m + i);
    m = hn::MulAdd(hn::Sub(g, m), hn::Set(d, k.one_minus_beta1), m);
    hn::StoreU(m, d, p.m + i);
    const auto old = hn::Mul(hn::LoadU(d, p.v + i), hn::Set(d, k.beta2));
    const auto v = hn::MulAdd(hn::Mul(g, g), hn::Set(d, k.one_minus_beta2), old);
    hn::StoreU(v, d, p.v + i);
    const auto root = hn::MulAdd(hn::Sqrt(v), hn::Set(d, k.inverse_sqrt_bias2), hn::Set(d, k.eps));
    const auto kept = hn::Mul(hn::LoadU(d, p.weight + i), hn::Set(d, k.decay));
    finish(d, p, i, hn::Sub(kept, hn::Div(hn::Mul(hn::Set(d, k.step), m), root)), k.one_minus_ema);
  }
};

template <class G>
struct SgdBody {
  SgdArrays<G> p;
  SgdConstants k;
  template <class D>
  HWY_INLINE void operator()(D d, int64_t i) const {
    const auto weight = hn::LoadU(d, p.weight + i);
    const auto scaled = hn::Mul(load(d, p.gradient + i), hn::Set(d, k.multiplier));
    const auto g = hn::MulAdd(weight, hn::Set(d, k.weight_decay), scaled);
    const auto momentum = hn::Set(d, k.momentum);
    const auto b = hn::MulAdd(hn::LoadU(d, p.momentum + i), momentum, g);
    hn::StoreU(b, d, p.momentum + i);
    const auto direction = k.nesterov ? hn::MulAdd(b, momentum, g) : b;
    finish(d, p, i, hn::NegMulAdd(direction, hn::Set(d, k.lr), weight), k.one_minus_ema);
  }
};

template <class Body>
HWY_INLINE void each(const Body& body, int64_t begin, int64_t count) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> d1;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t end = begin + count;
  int64_t i = begin;
  for (; i + lanes <= end; i += lanes) body(d, i);
  for (; i < end; ++i) body(d1, i);
}

template <class X>
HWY_INLINE double squares(const X* x, int64_t n) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> df;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  auto sum0 = hn::Zero(d);
  auto sum1 = hn::Zero(d);
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const auto x0 = hn::PromoteTo(d, load(df, x + i));
    const auto x1 = hn::PromoteTo(d, load(df, x + i + lanes));
    sum0 = hn::MulAdd(x0, x0, sum0);
    sum1 = hn::MulAdd(x1, x1, sum1);
  }
  double sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0, sum1)));
  for (; i < n; ++i) sum += static_cast<double>(to_float(x[i])) * static_cast<double>(to_float(x[i]));
  return sum;
}

void adamw_f32(const AdamWArrays<float>& p, const AdamWConstants& k, int64_t at, int64_t count) {
  each(AdamWBody<float>{p, k}, at, count);
}
void adamw_bf16(const AdamWArrays<BF16>& p, const AdamWConstants& k, int64_t at, int64_t count) {
  each(AdamWBody<BF16>{p, k}, at, count);
}
void sgd_f32(const SgdArrays<float>& p, const SgdConstants& k, int64_t at, int64_t count) {
  each(SgdBody<float>{p, k}, at, count);
}
void sgd_bf16(const SgdArrays<BF16>& p, const SgdConstants& k, int64_t at, int64_t count) {
  each(SgdBody<BF16>{p, k}, at, count);
}
double squares_f32(const float* x, int64_t n) { return squares(x, n); }
double squares_bf16(const BF16* x, int64_t n) { return squares(x, n); }

}  // namespace langevin::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace langevin {

HWY_EXPORT(adamw_f32);
HWY_EXPORT(adamw_bf16);
HWY_EXPORT(sgd_f32);
HWY_EXPORT(sgd_bf16);
HWY_EXPORT(squares_f32);
HWY_EXPORT(squares_bf16);

namespace {

// An average that does not move needs no pass over its memory.
template <class Arrays>
Arrays without_idle_ema(Arrays arrays, double ema_decay) {
  if (ema_decay == 1) arrays.ema = nullptr;
  return arrays;
}

AdamWConstants constants(const AdamWOptions& o) {
  check(o.bias1 > 0 && o.bias2 > 0, "adamw_step", "bias corrections must be above 0, got {} and {}", o.bias1,
        o.bias2);
  const auto f = [](double value) { return static_cast<float>(value); };
  return {f(o.gradient_multiplier),
          f(1 - o.beta1),
          f(o.beta2),
          f(1 - o.beta2),
          f(1 - o.lr * o.weight_decay),
          f(o.lr / o.bias1),
          f(1 / std::sqrt(o.bias2)),
          f(o.eps),
          f(1 - o.ema_decay)};
}

SgdConstants constants(const SgdOptions& o) {
  const auto f = [](double value) { return static_cast<float>(value); };
  return {f(o.gradient_multiplier), f(o.weight_decay), f(o.momentum), f(o.lr),
          f(1 - o.ema_decay),       o.nesterov};
}

template <class X, class Chunk>
double sum_chunks(const X* x, int64_t n, const Chunk& chunk) {
  std::vector<double> parts(static_cast<size_t>((n + kChunk - 1) / kChunk));
  parallel_chunks(
      n, [&](int64_t at, int64_t count) { parts[static_cast<size_t>(at / kChunk)] = chunk(x + at, count); });
  double sum = 0;
  for (const double part : parts) sum += part;
  return sum;
}

}  // namespace

void adamw_step(const AdamWArrays<float>& arrays, const AdamWOptions& options) {
  const AdamWConstants k = constants(options);
  const auto p = without_idle_ema(arrays, options.ema_decay);
  parallel_chunks(p.n, [&](int64_t at, int64_t count) { HWY_DYNAMIC_DISPATCH(adamw_f32)(p, k, at, count); });
}

void adamw_step(const AdamWArrays<BF16>& arrays, const AdamWOptions& options) {
  const AdamWConstants k = constants(options);
  const auto p = without_idle_ema(arrays, options.ema_decay);
  parallel_chunks(p.n, [&](int64_t at, int64_t count) { HWY_DYNAMIC_DISPATCH(adamw_bf16)(p, k, at, count); });
}

void sgd_step(const SgdArrays<float>& arrays, const SgdOptions& options) {
  const SgdConstants k = constants(options);
  const auto p = without_idle_ema(arrays, options.ema_decay);
  parallel_chunks(p.n, [&](int64_t at, int64_t count) { HWY_DYNAMIC_DISPATCH(sgd_f32)(p, k, at, count); });
}

void sgd_step(const SgdArrays<BF16>& arrays, const SgdOptions& options) {
  const SgdConstants k = constants(options);
  const auto p = without_idle_ema(arrays, options.ema_decay);
  parallel_chunks(p.n, [&](int64_t at, int64_t count) { HWY_DYNAMIC_DISPATCH(sgd_bf16)(p, k, at, count); });
}

double sum_of_squares(const float* x, int64_t n) {
  return sum_chunks(x, n, HWY_DYNAMIC_DISPATCH(squares_f32));
}
double sum_of_squares(const BF16* x, int64_t n) {
  return sum_chunks(x, n, HWY_DYNAMIC_DISPATCH(squares_bf16));
}

}  // namespace langevin
#endif  // HWY_ONCE
