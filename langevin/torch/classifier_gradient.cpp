#include "langevin/torch/classifier_gradient.h"

#include <torch/csrc/autograd/autograd.h>

#include "langevin/torch/network_call.h"

namespace langevin {

ClassifierGradient<TorchArray> classifier_gradient(TorchNetwork& network, const Target& target) {
  return [&network, &target](const TorchArray& x_t, double t, const std::vector<int64_t>& classes) {
    const at::AutoGradMode with_gradients(true);
    const at::Device device = x_t.value.device();
    const Target::Input seen = target.input(t);
    const at::Tensor x = x_t.value.detach().clone().set_requires_grad(true);
    const std::vector<double> told(classes.size(), seen.told);
    const at::Tensor logits = network(x * seen.scale, timestep_tensor(told, device), {}, {});
    const at::Tensor log_p =
        at::log_softmax(logits, 1).gather(1, label_tensor(classes, device).unsqueeze(1)).sum();
    return TorchArray{torch::autograd::grad({log_p}, {x}).at(0).contiguous()};
  };
}

}  // namespace langevin
