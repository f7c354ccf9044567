#include "langevin/torch/device.h"

#include <omp.h>

#include <thread>

#include "langevin/core/config.h"

namespace langevin {

at::Device choose_device(const std::string& name) {
  if (name == "cpu") return at::kCPU;
  if (name == "auto") return at::hasCUDA() ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
  if (name != "cuda") fail_usage("--device: {}", unknown_name("device", name, {"auto", "cpu", "cuda"}));
  check(at::hasCUDA(), "--device cuda", "this libtorch or this machine has no CUDA device; use --device cpu");
  return {at::kCUDA, 0};
}

int64_t set_threads(int64_t threads) {
  if (threads <= 0) threads = std::max(1U, std::thread::hardware_concurrency());
  at::set_num_threads(static_cast<int>(threads));
  omp_set_num_threads(static_cast<int>(threads));
  return threads;
}

}  // namespace langevin
