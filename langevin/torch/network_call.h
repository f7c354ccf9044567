// A TorchNetwork behind the two function types that samplers and trainers know (diffusion/denoiser.h).
#pragma once

#include "langevin/diffusion/denoiser.h"
#include "langevin/torch/interpreter.h"
#include "langevin/torch/torch_array.h"

namespace langevin {

/// (B) float32 on the device.
at::Tensor timestep_tensor(const std::vector<double>& t, at::Device device);
/// (B) int64, or undefined for an empty list.
at::Tensor label_tensor(const std::vector<int64_t>& labels, at::Device device);
/// The same conditions, on the device.
Cond<TorchArray> to_torch(const Cond<HostArrayF>& cond, at::Device device);

/// `network` as a Network<TorchArray>, without gradients. With guidance != 1 and labels given, one call over
/// both halves of a batch of 2 B is combined as unconditional + guidance (conditional - unconditional): Ho &
/// Salimans 2207.12598, eq. 6. The network must outlive the result. A class-conditional network called
/// without labels gets `null_label`.
Network<TorchArray> sampling_network(TorchNetwork& network, double guidance, int64_t null_label);

}  // namespace langevin
