// Optimizer steps over flat fp32 storage, each in one pass over memory: gradient scaling, moments, decay,
// update, exponential moving average and the bf16 copy of the new weights. Elementwise, so independent of the
// thread count.
#pragma once

#include <cstdint>

#include "langevin/kernels/bf16.h"

namespace langevin {

/// The constants of one step. Loshchilov & Hutter, "Decoupled Weight Decay Regularization", 2019, algorithm
/// 2:
///   g = gradient_multiplier * gradient
///   m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2
///   w = w - lr weight_decay w - lr (m / bias1) / (sqrt(v / bias2) + eps)
///   ema = ema + (1 - ema_decay)(w - ema)
struct AdamWOptions {
  double lr = 1e-4;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  double bias1 = 1;                // 1 - beta1^t at step t = 1, 2, ...; above 0
  double bias2 = 1;                // 1 - beta2^t
  double gradient_multiplier = 1;  // clip factor / number of accumulated micro-batches
  double ema_decay = 1;            // 1 = the average stays as it is
};

/// Arrays of n elements each. G is float or BF16.
template <class G>
struct AdamWArrays {
  int64_t n = 0;
  const G* gradient = nullptr;
  float* weight = nullptr;
  float* m = nullptr;           // zeros before the first step
  float* v = nullptr;           // zeros before the first step
  float* ema = nullptr;         // null = no average
  BF16* weight_bf16 = nullptr;  // receives the new weight, rounded; null = not wanted
};

void adamw_step(const AdamWArrays<float>& arrays, const AdamWOptions& options);
void adamw_step(const AdamWArrays<BF16>& arrays, const AdamWOptions& options);

/// Gradient descent with momentum, in the order of Sutskever et al. 2013 as deep-learning libraries have it:
///   g = gradient_multiplier * gradient + weight_decay w
///   b = momentum b + g,  w = w - lr (nesterov ? g + momentum b : b)
struct SgdOptions {
  double lr = 1e-2;
  double momentum = 0.9;
  double weight_decay = 0;
  bool nesterov = false;
  double gradient_multiplier = 1;
  double ema_decay = 1;
};

template <class G>
struct SgdArrays {
  int64_t n = 0;
  const G* gradient = nullptr;
  float* weight = nullptr;
  float* momentum = nullptr;    // b, zeros before the first step
  float* ema = nullptr;         // null = no average
  BF16* weight_bf16 = nullptr;  // null = not wanted
};

void sgd_step(const SgdArrays<float>& arrays, const SgdOptions& options);
void sgd_step(const SgdArrays<BF16>& arrays, const SgdOptions& options);

/// Sum of x[i]^2 in double, added in a fixed order whatever the thread count. A NaN or infinity in x gives a
/// non-finite sum, and finite x never does, so the caller sees a broken gradient.
double sum_of_squares(const float* x, int64_t n);
double sum_of_squares(const BF16* x, int64_t n);

/// The same by plain loops in double.
namespace reference {
void adamw_step(const AdamWArrays<float>& arrays, const AdamWOptions& options);
void adamw_step(const AdamWArrays<BF16>& arrays, const AdamWOptions& options);
void sgd_step(const SgdArrays<float>& arrays, const SgdOptions& options);
void sgd_step(const SgdArrays<BF16>& arrays, const SgdOptions& options);
double sum_of_squares(const float* x, int64_t n);
double sum_of_squares(const BF16* x, int64_t n);
}  // namespace reference

}  // namespace langevin
