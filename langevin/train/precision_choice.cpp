#include "langevin/train/precision_choice.h"

#include <algorithm>
#include <chrono>

namespace langevin {
namespace {

/// Seconds of the fastest of several forward and backward passes.
double time_convolution(at::ScalarType type, at::Device device) {
  const auto options = at::TensorOptions(at::kFloat).device(device);
  const auto make = [&](at::IntArrayRef shape) {
    return at::ones(shape, options).to(type).contiguous(at::MemoryFormat::ChannelsLast).requires_grad_();
  };
  const at::Tensor x = make({8, 64, 16, 16}), w = make({64, 64, 3, 3});
  const at::Tensor gradient =
      at::ones({8, 64, 16, 16}, options).to(type).contiguous(at::MemoryFormat::ChannelsLast);
  const std::array<int64_t, 2> one{1, 1};
  double best = 1e9;
  for (int i = 0; i < 6; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const at::Tensor y = at::conv2d(x, w, {}, at::IntArrayRef(one), at::IntArrayRef(one));
    y.backward(gradient);
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
    if (i > 0) best = std::min(best, passed.count());
  }
  return best;
}

}  // namespace

Precision choose_precision(const std::string& name, at::Device device) {
  if (name != "auto") return precision_from_name(name);
  if (!device.is_cpu()) return Precision::bf16;
  const double fp32 = time_convolution(at::kFloat, device), bf16 = time_convolution(at::kBFloat16, device);
  return bf16 * 1.25 < fp32 ? Precision::bf16 : Precision::fp32;
}

}  // namespace langevin
