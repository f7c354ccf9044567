#include "langevin/torch/torch_array.h"

#include <cstring>

#include "langevin/kernels/cuda/noise.h"
#include "langevin/torch/cuda_device.h"
#include "langevin/torch/device.h"

namespace langevin {
namespace {

/// The coefficient as a tensor that broadcasts over x's samples.
at::Tensor broadcast(const Coef& c, const at::Tensor& x) {
  c.check_batch(x.size(0));
  std::vector<int64_t> shape(static_cast<size_t>(x.dim()), 1);
  shape[0] = x.size(0);
  const auto values = c.values();
  const at::Tensor host = at::tensor(at::ArrayRef<double>(values.data(), values.size()), at::kDouble);
  return to_device(host.to(x.scalar_type()).view(shape), x.device());
}

at::Tensor broadcast_or_number(const Coef& c, const at::Tensor& x) {
  return c.per_sample() ? broadcast(c, x) : at::full({1}, c[0], x.options());
}

at::Tensor scaled(const Coef& c, const at::Tensor& x) {
  return c.per_sample() ? x * broadcast(c, x) : x * c[0];
}

void add_scaled(at::Tensor& sum, const Coef& c, const at::Tensor& x) {
  check(sum.sizes() == x.sizes(), "lincomb", "shapes differ: {} and {}", to_string(shape_of_tensor(sum)),
        to_string(shape_of_tensor(x)));
  if (c.per_sample()) {
    sum.addcmul_(x, broadcast(c, x));
  } else {
    sum.add_(x, c[0]);
  }
}

}  // namespace

Shape shape_of(const TorchArray& x) { return shape_of_tensor(x.value); }

TorchArray lincomb(const Coef& a, const TorchArray& x) { return {scaled(a, x.value)}; }

TorchArray lincomb(const Coef& a, const TorchArray& x, const Coef& b, const TorchArray& y) {
  at::Tensor sum = scaled(a, x.value);
  add_scaled(sum, b, y.value);
  return {sum};
}

TorchArray lincomb(const Coef& a, const TorchArray& x, const Coef& b, const TorchArray& y, const Coef& c,
                   const TorchArray& z) {
  at::Tensor sum = scaled(a, x.value);
  add_scaled(sum, b, y.value);
  add_scaled(sum, c, z.value);
  return {sum};
}

TorchArray clamp(const TorchArray& x, const Coef& lo, const Coef& hi) {
  if (!lo.per_sample() && !hi.per_sample()) return {x.value.clamp(lo[0], hi[0])};
  return {
      at::minimum(at::maximum(x.value, broadcast_or_number(lo, x.value)), broadcast_or_number(hi, x.value))};
}

std::vector<double> abs_quantile(const TorchArray& x, double q) {
  const at::Tensor flat = x.value.flatten(1).abs();
  // Sorting instead of at::quantile: that one refuses more than 16 million elements.
  const at::Tensor sorted = std::get<0>(flat.sort(1));
  const double position = q * static_cast<double>(flat.size(1) - 1);
  const auto below = static_cast<int64_t>(position);
  const int64_t above = std::min(below + 1, flat.size(1) - 1);
  const at::Tensor lo = sorted.select(1, below).to(at::kDouble), hi = sorted.select(1, above).to(at::kDouble);
  const at::Tensor result = (lo + (hi - lo) * (position - static_cast<double>(below))).cpu().contiguous();
  const double* data = result.data_ptr<double>();
  return {data, data + result.numel()};
}

TorchArray select(const TorchArray& mask, const TorchArray& a, const TorchArray& b) {
  return {at::where(mask.value != 0, a.value, b.value)};
}

TorchArray exp_scaled(const TorchArray& x, const TorchArray& y, const Coef& a, const Coef& b) {
  check(x.value.sizes() == y.value.sizes(), "exp_scaled", "shapes differ: {} and {}",
        to_string(shape_of_tensor(x.value)), to_string(shape_of_tensor(y.value)));
  return {x.value * (scaled(a, y.value) + broadcast_or_number(b, y.value)).exp()};
}

TorchArray join_channels(const TorchArray& x, const TorchArray& y) {
  return {at::cat({x.value, y.value}, 1)};
}

TorchArray channels(const TorchArray& x, int64_t first, int64_t count) {
  return {x.value.narrow(1, first, count).contiguous()};
}

std::vector<double> norm(const TorchArray& x) {
  const at::Tensor result = x.value.flatten(1).to(at::kDouble).norm(2, 1).cpu().contiguous();
  const double* data = result.data_ptr<double>();
  return {data, data + result.numel()};
}

TorchArray noise_like(const TorchArray& x, const NoiseKey& key) {
  const int64_t batch = x.value.size(0), each = batch == 0 ? 0 : x.value.numel() / batch;
  if (has_cuda_kernels(x.value.device()) && x.value.scalar_type() == at::kFloat) {
    const OnDevice on(x.value.device());
    const at::Tensor drawn = at::empty(x.value.sizes(), x.value.options().memory_format({}));
    cuda::fill_normal(drawn.data_ptr<float>(), batch, each, key, on.stream);
    return {drawn};
  }
  at::Tensor noise = at::empty(x.value.sizes(), at::kFloat);
  float* data = noise.data_ptr<float>();
  at::parallel_for(0, batch, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      NoiseKey sample = key;
      sample.sample += static_cast<uint64_t>(i);
      fill_normal(std::span<float>(data + i * each, static_cast<size_t>(each)), sample);
    }
  });
  return {noise.to(x.value.options())};
}

TorchArray to_torch(const HostArrayF& x, at::Device device) {
  at::Tensor tensor = at::empty(sizes(x.shape()), at::kFloat);
  std::memcpy(tensor.data_ptr<float>(), x.data().data(), x.data().size_bytes());
  return {to_device(tensor, device)};
}

HostArrayF to_host(const TorchArray& x) {
  const at::Tensor tensor = x.value.to(at::kCPU, at::kFloat).contiguous();
  const float* data = tensor.data_ptr<float>();
  return {shape_of_tensor(tensor), std::vector<float>(data, data + tensor.numel())};
}

}  // namespace langevin
