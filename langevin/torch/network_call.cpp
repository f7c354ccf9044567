#include "langevin/torch/network_call.h"

#include "langevin/torch/device.h"
#include "langevin/torch/recorded_call.h"

namespace langevin {

at::Tensor timestep_tensor(const std::vector<double>& t, at::Device device) {
  return to_device(at::tensor(at::ArrayRef<double>(t), at::kDouble).to(at::kFloat), device);
}

at::Tensor label_tensor(const std::vector<int64_t>& labels, at::Device device) {
  if (labels.empty()) return {};
  return to_device(at::tensor(at::ArrayRef<int64_t>(labels), at::kLong), device);
}

Cond<TorchArray> to_torch(const Cond<HostArrayF>& cond, at::Device device) {
  Cond<TorchArray> moved{.class_labels = cond.class_labels};
  each_condition(
      [&](std::optional<TorchArray>& to, const std::optional<HostArrayF>& from) {
        if (from) to = to_torch(*from, device);
      },
      moved, cond);
  return moved;
}

TorchConditions conditions_of(const Cond<TorchArray>& cond, at::Device device) {
  TorchConditions conditions{.class_labels = label_tensor(cond.class_labels, device)};
  each_condition(
      [](at::Tensor& to, const std::optional<TorchArray>& from) {
        if (from) to = from->value;
      },
      conditions, cond);
  return conditions;
}

TorchArray stack(const TorchArray& x, const TorchArray& y) { return {at::cat({x.value, y.value})}; }

TorchArray samples(const TorchArray& x, int64_t first, int64_t count) {
  return {x.value.narrow(0, first, count)};
}

NetworkCall<TorchArray> network_call(TorchNetwork& network) {
  const auto calls = std::make_shared<RecordedCalls>(network);
  return [calls](const TorchArray& x, const std::vector<double>& t, const Cond<TorchArray>& cond) {
    const at::Device device = x.value.device();
    return TorchArray{(*calls)(x.value, timestep_tensor(t, device), conditions_of(cond, device))};
  };
}

SamplingBackend<TorchArray> sampling_backend(TorchNetwork& network) {
  const at::Device device = network.store().device();
  return {network_call(network),
          [device](const Shape& shape) {
            return TorchArray{at::empty(sizes(shape), at::TensorOptions(at::kFloat).device(device))};
          },
          [device](const HostArrayF& x) { return to_torch(x, device); },
          [](const TorchArray& x) { return to_host(x); }};
}

}  // namespace langevin
