#include "langevin/train/optimizer.h"

#include <cmath>
#include <utility>

#include "langevin/kernels/adamw.h"
#include "langevin/kernels/cuda/adamw.h"
#include "langevin/model/ema_profile.h"
#include "langevin/torch/cuda_device.h"
#include "langevin/torch/memory_pool.h"

namespace langevin {
namespace {

bool is_bf16(const at::Tensor& t) { return t.scalar_type() == at::kBFloat16; }

template <class T>
T* at_offset(const at::Tensor& flat, const Parameter& p) {
  return flat.defined() && flat.numel() > 0 ? static_cast<T*>(flat.data_ptr()) + p.offset : nullptr;
}

/// The gradient in the memory order of the leaf, which is that of the flat buffers.
at::Tensor in_leaf_order(const at::Tensor& gradient, const at::Tensor& leaf) {
  if (gradient.strides() == leaf.strides()) return gradient;
  return at::empty_like(leaf, leaf.options(), c10::MemoryFormat::Preserve).copy_(gradient);
}

template <class T>
const T* values(const at::Tensor& t) {
  return static_cast<const T*>(t.data_ptr());
}

/// Of all the tensors together, by our kernels: one wait for the GPU.
double sum_of_squares_on_gpu(at::Device device, const std::vector<at::Tensor>& tensors) {
  std::vector<cuda::Values<float>> wide;
  std::vector<cuda::Values<BF16>> narrow;
  for (const at::Tensor& t : tensors) {
    if (is_bf16(t)) {
      narrow.push_back({values<BF16>(t), t.numel()});
    } else {
      wide.push_back({values<float>(t), t.numel()});
    }
  }
  const OnDevice on(device);
  const at::Tensor sums = at::empty({2}, at::TensorOptions(at::kDouble).device(device));
  const auto add = [&](auto each, int64_t place) {
    const std::span all(std::as_const(each));
    const at::Tensor workspace = bytes_on(device, 8 * cuda::sum_of_squares_workspace(all));
    cuda::sum_of_squares(all, sums.data_ptr<double>() + place, static_cast<double*>(workspace.data_ptr()),
                         on.stream);
  };
  add(wide, 0);
  add(narrow, 1);
  return sums.sum().item<double>();
}

}  // namespace

Optimizer::Optimizer(const OptimizerRecipe& recipe, ParameterStore& store, std::vector<double> ema_lengths)
    : recipe_(recipe), store_(store), ema_lengths_(std::move(ema_lengths)) {
  ema_ = store.flat().clone();
  for (size_t i = 0; i < ema_lengths_.size(); ++i) power_ema_.push_back(store.flat().clone());
  m_ = at::zeros_like(store.flat());
  v_ = recipe.name == "adamw" ? at::zeros_like(store.flat()) : at::empty({0}, store.flat().options());
  if (store.precision() == Precision::bf16) take_gradients_early();
  trim_memory();  // the network's first values are gone
}

Optimizer::~Optimizer() {
  for (const auto& node : accumulators_) node->post_hooks().clear();
}

/// Under bf16 a gradient is kept in bf16 from the moment it is there, whatever type its leaf has: all of them
/// together are alive at the end of the backward pass, where memory is at its most.
void Optimizer::take_gradients_early() {
  struct Hook : torch::autograd::FunctionPostHook {
    Hook(const at::Tensor& l, at::Tensor& p) : leaf(l), place(p) {}
    torch::autograd::variable_list operator()(const torch::autograd::variable_list& outputs,
                                              const torch::autograd::variable_list&) override {
      const at::NoGradGuard no_grad;
      place = in_leaf_order(leaf.grad(), leaf).to(at::kBFloat16);
      leaf.mutable_grad() = at::Tensor();
      return outputs;
    }
    at::Tensor leaf;
    at::Tensor& place;
  };
  const auto& parameters = store_.parameters();
  arrived_.resize(parameters.size());
  for (size_t i = 0; i < parameters.size(); ++i) {
    const at::Tensor& leaf = parameters[i].leaf;
    if (!leaf.requires_grad() || leaf.scalar_type() != at::kFloat || parameters[i].keep_fp32) continue;
    accumulators_.push_back(torch::autograd::impl::grad_accumulator(leaf));
    accumulators_.back()->add_post_hook(std::make_unique<Hook>(leaf, arrived_[i]));
  }
}

void Optimizer::collect(bool single_part) {
  const at::NoGradGuard no_grad;
  auto& parameters = store_.parameters();
  if (!single_part && !sum_.defined()) sum_ = at::zeros_like(store_.flat());
  const bool first = gradients_.empty();
  gradients_.resize(parameters.size());
  for (size_t i = 0; i < parameters.size(); ++i) {
    Parameter& p = parameters[i];
    const bool early = !arrived_.empty() && arrived_[i].defined();
    const at::Tensor gradient = early ? std::exchange(arrived_[i], {}) : p.leaf.grad();
    check(gradient.defined(), p.name, "the network did not use this parameter in its training pass");
    const at::Tensor ordered = early ? gradient : in_leaf_order(gradient, p.leaf);
    if (single_part) {
      gradients_[i] = ordered;
    } else {
      const at::Tensor part = ParameterStore::view_in(sum_, p);
      if (first) {
        part.copy_(ordered);
      } else {
        part.add_(ordered);
      }
      gradients_[i] = part;
    }
    p.leaf.mutable_grad() = at::Tensor();
  }
}

double Optimizer::gradient_norm(double multiplier) const {
  const at::NoGradGuard no_grad;
  if (has_cuda_kernels(store_.device()))
    return std::sqrt(sum_of_squares_on_gpu(store_.device(), gradients_)) * multiplier;
  double sum = 0;
  for (const auto& g : gradients_) {
    if (!g.device().is_cpu()) {
      sum += g.to(at::kFloat).pow(2).sum(at::kDouble).item<double>();
    } else if (is_bf16(g)) {
      sum += sum_of_squares(values<BF16>(g), g.numel());
    } else {
      sum += sum_of_squares(g.data_ptr<float>(), g.numel());
    }
  }
  return std::sqrt(sum) * multiplier;
}

void Optimizer::step(double lr, double multiplier, double ema_decay) {
  const at::NoGradGuard no_grad;
  ++updates_;
  const auto& parameters = store_.parameters();
  const bool together = recipe_.name == "adamw" && has_cuda_kernels(store_.device());
  if (together) step_gpu(adamw_options(lr, multiplier, ema_decay));
  for (size_t i = 0; i < parameters.size() && !together; ++i) {
    if (gradients_[i].device().is_cpu()) {
      step_cpu(parameters[i], gradients_[i], lr, multiplier, ema_decay);
    } else {
      step_aten(parameters[i], gradients_[i], lr, multiplier, ema_decay);
    }
  }
  for (size_t i = 0; i < power_ema_.size(); ++i)
    power_ema_[i].lerp_(store_.flat(), 1 - power_ema_decay(ema_exponent(ema_lengths_[i]), updates_));
  discard();
}

void Optimizer::discard() { gradients_.clear(); }

AdamWOptions Optimizer::adamw_options(double lr, double multiplier, double ema_decay) const {
  const auto t = static_cast<double>(updates_);
  return {.lr = lr,
          .beta1 = recipe_.betas[0],
          .beta2 = recipe_.betas[1],
          .eps = recipe_.eps,
          .weight_decay = recipe_.weight_decay,
          .bias1 = 1 - std::pow(recipe_.betas[0], t),
          .bias2 = 1 - std::pow(recipe_.betas[1], t),
          .gradient_multiplier = multiplier,
          .ema_decay = ema_decay};
}

template <class G>
AdamWArrays<G> Optimizer::adamw_arrays(const Parameter& p, const at::Tensor& gradient) const {
  AdamWArrays<G> a;
  a.n = p.count;
  a.gradient = values<G>(gradient);
  a.weight = at_offset<float>(store_.flat(), p);
  a.m = at_offset<float>(m_, p);
  a.v = at_offset<float>(v_, p);
  a.ema = at_offset<float>(ema_, p);
  a.weight_bf16 = at_offset<BF16>(store_.flat_bf16(), p);
  return a;
}

void Optimizer::step_gpu(const AdamWOptions& options) {
  std::vector<AdamWArrays<float>> wide;
  std::vector<AdamWArrays<BF16>> narrow;
  const auto& parameters = store_.parameters();
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (is_bf16(gradients_[i])) {
      narrow.push_back(adamw_arrays<BF16>(parameters[i], gradients_[i]));
    } else {
      wide.push_back(adamw_arrays<float>(parameters[i], gradients_[i]));
    }
  }
  const OnDevice on(store_.device());
  cuda::adamw_step(std::span(std::as_const(wide)), options, on.stream);
  cuda::adamw_step(std::span(std::as_const(narrow)), options, on.stream);
}

void Optimizer::step_cpu(const Parameter& p, const at::Tensor& gradient, double lr, double multiplier,
                         double ema_decay) {
  const auto run = [&](auto element) {
    using G = decltype(element);
    if (recipe_.name == "adamw") {
      adamw_step(adamw_arrays<G>(p, gradient), adamw_options(lr, multiplier, ema_decay));
    } else {
      SgdArrays<G> a;
      a.n = p.count;
      a.gradient = values<G>(gradient);
      a.weight = at_offset<float>(store_.flat(), p);
      a.momentum = at_offset<float>(m_, p);
      a.ema = at_offset<float>(ema_, p);
      a.weight_bf16 = at_offset<BF16>(store_.flat_bf16(), p);
      sgd_step(a, {.lr = lr,
                   .momentum = recipe_.momentum,
                   .weight_decay = recipe_.weight_decay,
                   .nesterov = false,
                   .gradient_multiplier = multiplier,
                   .ema_decay = ema_decay});
    }
  };
  if (is_bf16(gradient)) {
    run(BF16{});
  } else {
    run(float{});
  }
}

void Optimizer::step_aten(const Parameter& p, const at::Tensor& gradient, double lr, double multiplier,
                          double ema_decay) {
  at::Tensor w = ParameterStore::view_in(store_.flat(), p), m = ParameterStore::view_in(m_, p);
  at::Tensor ema = ParameterStore::view_in(ema_, p);
  at::Tensor g = gradient.to(at::kFloat) * multiplier;
  if (recipe_.name == "adamw") {
    at::Tensor v = ParameterStore::view_in(v_, p);
    const AdamWOptions o = adamw_options(lr, multiplier, ema_decay);
    m.mul_(recipe_.betas[0]).add_(g, 1 - recipe_.betas[0]);
    v.mul_(recipe_.betas[1]).addcmul_(g, g, 1 - recipe_.betas[1]);
    w.mul_(1 - lr * recipe_.weight_decay);
    w.addcdiv_(m, (v / o.bias2).sqrt_().add_(recipe_.eps), -lr / o.bias1);
  } else {
    g.add_(w, recipe_.weight_decay);
    m.mul_(recipe_.momentum).add_(g);
    w.add_(m, -lr);
  }
  ema.mul_(ema_decay).add_(w, 1 - ema_decay);
  if (store_.flat_bf16().defined()) ParameterStore::view_in(store_.flat_bf16(), p).copy_(w);
}

}  // namespace langevin
