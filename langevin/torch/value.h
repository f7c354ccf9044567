// What the torch interpreter hands from operator to operator: a tensor, or one whose last operators wait to
// be joined with those that follow. On a GPU each pass over an activation costs as much as a tenth of a
// convolution: a bias, a timestep's row, the norm behind them, dropout and a residual become one kernel.
#pragma once

#include <memory>
#include <variant>

#include "langevin/torch/fused.h"

namespace langevin {

class TorchValue {
 public:
  /// x + bias + row; x (N,C,H,W), bias (C), row (N,C) or undefined, of one type.
  struct Sum {
    at::Tensor x, bias, row = {};
  };
  struct Norm {
    at::Tensor x, gamma, beta, scale_shift;
    nn::GroupNorm c;
    NormCompanions with;
  };

  TorchValue() = default;
  TorchValue(at::Tensor tensor) : state_(std::make_shared<State>()) {  // NOLINT: a tensor is a value
    state_->value = std::move(tensor);
  }
  TorchValue(Sum sum) : state_(std::make_shared<State>()) { state_->waiting = std::move(sum); }
  TorchValue(Norm norm) : state_(std::make_shared<State>()) { state_->waiting = std::move(norm); }

  bool defined() const { return state_ != nullptr && (waits() || state_->value.defined()); }
  /// The tensor itself: what waits is computed at the first call.
  const at::Tensor& tensor() const;
  operator const at::Tensor&() const { return tensor(); }  // NOLINT
  const at::Tensor& operator*() const { return tensor(); }
  const at::Tensor* operator->() const { return &tensor(); }

  /// What waits, null where it is of another kind or was computed.
  const Sum* sum() const { return waits() ? std::get_if<Sum>(&state_->waiting) : nullptr; }
  const Norm* norm() const { return waits() ? std::get_if<Norm>(&state_->waiting) : nullptr; }
  /// The tensor, or the one that what waits begins with: of the same shape, type and device.
  const at::Tensor& trunk() const;

 private:
  struct State {
    std::variant<std::monostate, Sum, Norm> waiting;
    at::Tensor value;
  };
  bool waits() const { return state_ != nullptr && state_->waiting.index() != 0; }
  std::shared_ptr<State> state_;
};

}  // namespace langevin
