#include "langevin/torch/recompute.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/custom_class.h>

namespace langevin {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// A function as autograd keeps it between forward and backward.
struct Kept : torch::CustomClassHolder {
  explicit Kept(TensorFunction f) : function(std::move(f)) {}
  TensorFunction function;
};

struct Recomputed : torch::autograd::Function<Recomputed> {
  // Autograd follows tensors that are arguments, not those inside a list.
  template <class... Tensors>
  static at::Tensor forward(AutogradContext* context, const TensorFunction& f, const Tensors&... tensors) {
    const variable_list inputs{tensors...};
    context->save_for_backward(inputs);
    context->saved_data["function"] = c10::IValue::make_capsule(c10::make_intrusive<Kept>(f));
    return f(inputs);  // without gradients here
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto kept = context->saved_data["function"].toCapsule();
    variable_list inputs;
    for (const at::Tensor& x : context->get_saved_variables()) {
      inputs.push_back(x.detach());
      inputs.back().set_requires_grad(x.requires_grad());
    }
    const at::AutoGradMode with_gradients(true);
    const at::Tensor y = static_cast<const Kept&>(*kept).function(inputs);
    torch::autograd::backward({y}, {gradients[0]});
    variable_list out{at::Tensor()};  // of the function
    for (const at::Tensor& x : inputs) out.push_back(x.grad());
    return out;
  }
};

}  // namespace

at::Tensor recomputed(const TensorFunction& f, const std::vector<at::Tensor>& inputs) {
  if (!at::GradMode::is_enabled()) return f(inputs);
  check(inputs.size() == 1 || inputs.size() == 2, "recomputed", "takes one or two inputs, got {}",
        inputs.size());
  return inputs.size() == 1 ? Recomputed::apply(f, inputs[0]) : Recomputed::apply(f, inputs[0], inputs[1]);
}

}  // namespace langevin
