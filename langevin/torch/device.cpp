#include "langevin/torch/device.h"

#include <omp.h>

#include <thread>

#include "langevin/core/config.h"

namespace langevin {
namespace {

/// The same bits on every run, and fp32 that is fp32: cuDNN otherwise chooses algorithms by races on the
/// clock, adds in any order, and rounds fp32 to tf32's 10 bits.
at::Device first_gpu() {
  at::globalContext().setDeterministicCuDNN(true);
  at::globalContext().setBenchmarkCuDNN(false);
  at::globalContext().setAllowTF32CuDNN(false);
  at::globalContext().setAllowTF32CuBLAS(false);
  return {at::kCUDA, 0};
}

}  // namespace

at::Device choose_device(const std::string& name) {
  if (name == "cpu") return at::kCPU;
  if (name == "auto") return at::hasCUDA() ? first_gpu() : at::Device(at::kCPU);
  if (name != "cuda") fail_usage("--device: {}", unknown_name("device", name, {"auto", "cpu", "cuda"}));
  check(at::hasCUDA(), "--device cuda", "this libtorch or this machine has no CUDA device; use --device cpu");
  return first_gpu();
}

at::Tensor to_device(const at::Tensor& host, at::Device device) {
  if (!device.is_cuda()) return host.to(device);
  return host.pin_memory().to(at::TensorOptions(device), true);
}

int64_t set_threads(int64_t threads) {
  if (threads <= 0) threads = std::max(1U, std::thread::hardware_concurrency());
  at::set_num_threads(static_cast<int>(threads));
  omp_set_num_threads(static_cast<int>(threads));
  return threads;
}

}  // namespace langevin
