// A function that autograd keeps between forward and backward, beside the tensors it saves.
#pragma once

#include <torch/custom_class.h>

#include <functional>
#include <string>
#include <vector>

#include "langevin/torch/compat.h"

namespace langevin {

using TensorFunction = std::function<at::Tensor(const std::vector<at::Tensor>&)>;

/// How a value that was not saved is computed again; empty: it was saved.
using Again = std::function<at::Tensor()>;

template <class F>
struct Kept : torch::CustomClassHolder {
  explicit Kept(F f) : function(std::move(f)) {}
  F function;
};

template <class F>
void keep(torch::autograd::AutogradContext& context, const std::string& name, const F& f) {
  context.saved_data[name] = c10::IValue::make_capsule(c10::make_intrusive<Kept<F>>(f));
}

/// The function, and with it what it holds, leaves the context: autograd's nodes outlive their use.
template <class F>
F take_kept(torch::autograd::AutogradContext& context, const std::string& name) {
  const auto capsule = context.saved_data.at(name).toCapsule();
  context.saved_data.erase(name);
  return static_cast<const Kept<F>&>(*capsule).function;
}

}  // namespace langevin
