#include "langevin/torch/network_call.h"

#include "langevin/sample/guidance.h"

namespace langevin {

at::Tensor timestep_tensor(const std::vector<double>& t, at::Device device) {
  return at::tensor(at::ArrayRef<double>(t), at::kDouble).to(at::kFloat).to(device);
}

at::Tensor label_tensor(const std::vector<int64_t>& labels, at::Device device) {
  return labels.empty() ? at::Tensor() : at::tensor(at::ArrayRef<int64_t>(labels), at::kLong).to(device);
}

Cond<TorchArray> to_torch(const Cond<HostArrayF>& cond, at::Device device) {
  Cond<TorchArray> moved{cond.class_labels};
  if (cond.global_cond) moved.global_cond = to_torch(*cond.global_cond, device);
  return moved;
}

Network<TorchArray> sampling_network(TorchNetwork& network, double guidance, int64_t null_label) {
  return [&network, guidance, null_label](const TorchArray& x, const std::vector<double>& t,
                                          const Cond<TorchArray>& cond) -> TorchArray {
    const at::NoGradGuard no_grad;
    const at::Device device = x.value.device();
    const bool conditional = nn::class_count(network.config()) > 0;
    const std::vector<int64_t> none(t.size(), null_label);
    std::vector<int64_t> labels = cond.class_labels;
    if (conditional && labels.empty()) {
      check(null_label >= 0, "sample",
            "the model is class-conditional and was trained without a null class: give classes");
      labels = none;
    }
    const at::Tensor times = timestep_tensor(t, device);
    const at::Tensor global = cond.global_cond ? cond.global_cond->value : at::Tensor();
    if (!conditional || guidance == 1 || cond.class_labels.empty()) {
      return {
          network(x.value, times, {conditional ? label_tensor(labels, device) : at::Tensor(), global}, {})};
    }
    check(null_label >= 0, "sample",
          "guidance needs a model trained with a null class (diffusion.label_dropout > 0)");
    labels.insert(labels.end(), none.begin(), none.end());
    const at::Tensor both =
        network(at::cat({x.value, x.value}), at::cat({times, times}),
                {label_tensor(labels, device), global.defined() ? at::cat({global, global}) : global}, {});
    const auto halves = both.chunk(2, 0);
    return guide(TorchArray{halves[1]}, TorchArray{halves[0]}, guidance);
  };
}

}  // namespace langevin
