// The Array concept on libtorch tensors, CPU or CUDA. A wrapper of our own, so that the operations are found
// in this namespace and never mixed up with libtorch's.
#pragma once

#include "langevin/torch/compat.h"

namespace langevin {

struct TorchArray {
  at::Tensor value;  // contiguous, float32 or float64; dimension 0 is the batch
};

Shape shape_of(const TorchArray& x);
TorchArray lincomb(const Coef& a, const TorchArray& x);
TorchArray lincomb(const Coef& a, const TorchArray& x, const Coef& b, const TorchArray& y);
TorchArray lincomb(const Coef& a, const TorchArray& x, const Coef& b, const TorchArray& y, const Coef& c,
                   const TorchArray& z);
TorchArray clamp(const TorchArray& x, const Coef& lo, const Coef& hi);
std::vector<double> abs_quantile(const TorchArray& x, double q);
TorchArray select(const TorchArray& mask, const TorchArray& a, const TorchArray& b);
TorchArray exp_scaled(const TorchArray& x, const TorchArray& y, const Coef& a, const Coef& b);
TorchArray channels(const TorchArray& x, int64_t first, int64_t count);
TorchArray join_channels(const TorchArray& x, const TorchArray& y);
std::vector<double> norm(const TorchArray& x);
/// Drawn where x is, by core/rng on the CPU and by its twin in kernels/cuda on a GPU: the same bits. (On a
/// GPU without our kernels: drawn on the host and moved.)
TorchArray noise_like(const TorchArray& x, const NoiseKey& key);

static_assert(Array<TorchArray>);

TorchArray to_torch(const HostArrayF& x, at::Device device = at::kCPU);
HostArrayF to_host(const TorchArray& x);

}  // namespace langevin
