// A TorchNetwork behind the function types that samplers know (diffusion/denoiser.h, model/sampling.h).
#pragma once

#include "langevin/model/sampling.h"
#include "langevin/torch/interpreter.h"
#include "langevin/torch/torch_array.h"

namespace langevin {

/// (B) float32 on the device.
at::Tensor timestep_tensor(const std::vector<double>& t, at::Device device);
/// (B) int64, or undefined for an empty list.
at::Tensor label_tensor(const std::vector<int64_t>& labels, at::Device device);
/// The same conditions, on the device.
Cond<TorchArray> to_torch(const Cond<HostArrayF>& cond, at::Device device);

/// `network`'s own, with labels as a tensor.
TorchConditions conditions_of(const Cond<TorchArray>& cond, at::Device device);

/// For batches of twice the size (model/sampling.h).
TorchArray stack(const TorchArray& x, const TorchArray& y);
TorchArray samples(const TorchArray& x, int64_t first, int64_t count);

/// `network` without gradients, as model/sampling.h wants it. It must outlive the results.
NetworkCall<TorchArray> network_call(TorchNetwork& network);
SamplingBackend<TorchArray> sampling_backend(TorchNetwork& network);

}  // namespace langevin
