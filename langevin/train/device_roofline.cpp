#include "langevin/train/device_roofline.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "langevin/torch/network_call.h"

namespace langevin {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kCalls = 10, kRuns = 5;

/// Work on a GPU is over when something that depends on it has reached the host.
void wait_for(at::Tensor result) {
  while (result.dim() > 0) result = result.select(0, 0);
  result.to(at::kCPU);
}

/// Seconds of one call, the best of several runs of several calls.
template <class F>
double best_seconds(F&& call) {
  for (int i = 0; i < 3; ++i) wait_for(call());
  double best = 1e30;
  for (int run = 0; run < kRuns; ++run) {
    const auto start = Clock::now();
    at::Tensor last;
    for (int i = 0; i < kCalls; ++i) last = call();
    wait_for(last);
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count() / kCalls);
  }
  return best;
}

/// Normal noise: products of zeros take less power and run faster than real ones.
at::Tensor noise(at::IntArrayRef shape, uint64_t sample, at::ScalarType type, at::Device device) {
  const at::Tensor like = at::empty(shape, at::TensorOptions(at::kFloat).device(device));
  return noise_like(TorchArray{like}, NoiseKey{1, sample << 32}).value.to(type);
}

double convolution_gflops(at::Device device, at::ScalarType type, int64_t n, int64_t c, int64_t hw) {
  const auto last = at::MemoryFormat::ChannelsLast;
  const at::Tensor x = noise({n, c, hw, hw}, 1, type, device).contiguous(last);
  const at::Tensor w = noise({c, c, 3, 3}, 2, type, device).contiguous(last);
  const std::array<int64_t, 2> one{1, 1};
  const double seconds =
      best_seconds([&] { return at::conv2d(x, w, {}, at::IntArrayRef(one), at::IntArrayRef(one)); });
  return 18e-9 * static_cast<double>(n * hw * hw) * static_cast<double>(c * c) / seconds;
}

double best_convolution(at::Device device, at::ScalarType type, int64_t n) {
  double best = 0;
  using Size = std::pair<int64_t, int64_t>;  // channels, height and width
  for (const auto& [c, hw] : {Size(128, 32), Size(256, 32), Size(256, 16), Size(512, 16)})
    best = std::max(best, convolution_gflops(device, type, n, c, hw));
  return best;
}

double product_gflops(at::Device device, at::ScalarType type, int64_t size) {
  const at::Tensor a = noise({size, size}, 3, type, device), b = noise({size, size}, 4, type, device);
  const double side = static_cast<double>(size);
  return 2e-9 * side * side * side / best_seconds([&] { return at::matmul(a, b); });
}

double copy_gbytes(at::Device device, int64_t bytes) {
  const at::Tensor from = at::ones({bytes / 4}, at::TensorOptions(at::kFloat).device(device));
  at::Tensor to = at::empty_like(from);
  return 2e-9 * static_cast<double>(bytes) / best_seconds([&] { return to.copy_(from); });
}

}  // namespace

Roofline measure_device_roofline(at::Device device, double size) {
  const at::NoGradGuard no_grad;
  const auto scaled = [&](double whole) { return std::max<int64_t>(1, std::llround(whole * size)); };
  Roofline r;
  r.conv_fp32 = best_convolution(device, at::kFloat, scaled(64));
  r.conv_bf16 = best_convolution(device, at::kBFloat16, scaled(256));
  r.matmul_fp32 = product_gflops(device, at::kFloat, scaled(4096));
  r.matmul_bf16 = product_gflops(device, at::kBFloat16, scaled(8192));
  r.memory = copy_gbytes(device, scaled(1 << 28) * 4);
  return r;
}

}  // namespace langevin
