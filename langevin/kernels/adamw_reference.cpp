// The optimizer steps as the header's equations, one element after the other in double.
#include <cmath>

#include "langevin/kernels/adamw.h"

namespace langevin::reference {
namespace {

double wide(float value) { return static_cast<double>(value); }

template <class Arrays>
void finish(const Arrays& p, int64_t i, double weight, double ema_decay) {
  p.weight[i] = static_cast<float>(weight);
  if (p.weight_bf16 != nullptr) p.weight_bf16[i] = to_bf16(p.weight[i]);
  if (p.ema != nullptr) p.ema[i] = static_cast<float>(ema_decay * wide(p.ema[i]) + (1 - ema_decay) * weight);
}

template <class G>
void adamw(const AdamWArrays<G>& p, const AdamWOptions& o) {
  for (int64_t i = 0; i < p.n; ++i) {
    const double g = o.gradient_multiplier * wide(to_float(p.gradient[i]));
    const double m = o.beta1 * wide(p.m[i]) + (1 - o.beta1) * g;
    const double v = o.beta2 * wide(p.v[i]) + (1 - o.beta2) * g * g;
    const double weight = wide(p.weight[i]);
    const double moved = o.lr * (m / o.bias1) / (std::sqrt(v / o.bias2) + o.eps);
    p.m[i] = static_cast<float>(m);
    p.v[i] = static_cast<float>(v);
    finish(p, i, weight - o.lr * o.weight_decay * weight - moved, o.ema_decay);
  }
}

template <class G>
void sgd(const SgdArrays<G>& p, const SgdOptions& o) {
  for (int64_t i = 0; i < p.n; ++i) {
    const double weight = wide(p.weight[i]);
    const double g = o.gradient_multiplier * wide(to_float(p.gradient[i])) + o.weight_decay * weight;
    const double b = o.momentum * wide(p.momentum[i]) + g;
    p.momentum[i] = static_cast<float>(b);
    finish(p, i, weight - o.lr * (o.nesterov ? g + o.momentum * b : b), o.ema_decay);
  }
}

template <class X>
double squares(const X* x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += wide(to_float(x[i])) * wide(to_float(x[i]));
  return sum;
}

}  // namespace

void adamw_step(const AdamWArrays<float>& arrays, const AdamWOptions& options) { adamw(arrays, options); }
void adamw_step(const AdamWArrays<BF16>& arrays, const AdamWOptions& options) { adamw(arrays, options); }
void sgd_step(const SgdArrays<float>& arrays, const SgdOptions& options) { sgd(arrays, options); }
void sgd_step(const SgdArrays<BF16>& arrays, const SgdOptions& options) { sgd(arrays, options); }
double sum_of_squares(const float* x, int64_t n) { return squares(x, n); }
double sum_of_squares(const BF16* x, int64_t n) { return squares(x, n); }

}  // namespace langevin::reference
