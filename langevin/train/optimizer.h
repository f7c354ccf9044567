// AdamW and SGD over a ParameterStore's flat storage: gradient scaling, moments, decay, update, EMA and the
// bf16 copy in one pass (kernels/adamw.h on the CPU, its twin in kernels/cuda on a GPU, the same formulas
// from ATen elsewhere).
#pragma once

#include "langevin/kernels/adamw.h"
#include "langevin/model/recipe.h"
#include "langevin/torch/parameters.h"

namespace langevin {

class Optimizer {
 public:
  /// `ema_lengths`: of power-function averages to keep beside the classic one (model/ema_profile.h).
  Optimizer(const OptimizerRecipe& recipe, ParameterStore& store, std::vector<double> ema_lengths = {});
  ~Optimizer();
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Takes the leaves' gradients into the sum of this step and clears them. With one part a step nothing is
  /// copied.
  void collect(bool single_part);
  /// Norm of the collected gradient times `multiplier`; not finite if any element is not.
  double gradient_norm(double multiplier) const;
  /// One update with the collected gradient times `multiplier`; moves the averages too.
  void step(double lr, double multiplier, double ema_decay);
  /// Forgets the collected gradient (a skipped step).
  void discard();

  int64_t updates() const { return updates_; }
  void set_updates(int64_t updates) { updates_ = updates; }
  at::Tensor& ema() { return ema_; }  // flat, like the store's
  const std::vector<double>& ema_lengths() const { return ema_lengths_; }
  at::Tensor& power_ema(size_t i) { return power_ema_.at(i); }  // flat, of ema_lengths()[i]
  at::Tensor& m() { return m_; }                                // first moment, or sgd's momentum
  at::Tensor& v() { return v_; }                                // second moment; empty for sgd

 private:
  void step_cpu(const Parameter& p, const at::Tensor& gradient, double lr, double multiplier,
                double ema_decay);
  AdamWOptions adamw_options(double lr, double multiplier, double ema_decay) const;
  template <class G>
  AdamWArrays<G> adamw_arrays(const Parameter& p, const at::Tensor& gradient) const;
  /// All parameters by the kernels of kernels/cuda, a few launches.
  void step_gpu(const AdamWOptions& options);
  void step_aten(const Parameter& p, const at::Tensor& gradient, double lr, double multiplier,
                 double ema_decay);
  void take_gradients_early();
  OptimizerRecipe recipe_;
  ParameterStore& store_;
  at::Tensor ema_, m_, v_, sum_;  // sum_: fp32 gradients of several parts
  std::vector<at::Tensor> gradients_;
  std::vector<at::Tensor> arrived_;                                   // bf16, of the pass that is running
  std::vector<std::shared_ptr<torch::autograd::Node>> accumulators_;  // keep the hooks alive
  std::vector<double> ema_lengths_;
  std::vector<at::Tensor> power_ema_;
  int64_t updates_ = 0;
};

}  // namespace langevin
