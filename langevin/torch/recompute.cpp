#include "langevin/torch/recompute.h"

#include <torch/csrc/autograd/autograd.h>

namespace langevin {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Recomputed : torch::autograd::Function<Recomputed> {
  // Autograd follows tensors that are arguments, not those inside a list.
  template <class... Tensors>
  static at::Tensor forward(AutogradContext* context, const TensorFunction& f, const Tensors&... tensors) {
    const variable_list inputs{tensors...};
    context->save_for_backward(inputs);
    keep(*context, "function", f);
    return f(inputs);  // without gradients here
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto function = take_kept<TensorFunction>(*context, "function");
    variable_list inputs;
    for (const at::Tensor& x : context->get_saved_variables()) {
      inputs.push_back(x.detach());
      inputs.back().set_requires_grad(x.requires_grad());
    }
    const at::AutoGradMode with_gradients(true);
    const at::Tensor y = function(inputs);
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
