// What `langevin bench sample` measures of the runtime: the real sampler on a network of a preset with random
// weights, as a share of the convolution rate that oneDNN reaches on this machine in the same run.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "langevin/core/console.h"
#include "langevin/core/signals.h"

namespace langevin {

struct SampleBench {
  std::string preset = "ddpm-cifar10";
  std::string precision = "auto";  // auto: bf16 where the processor multiplies it fast, else fp32
  int64_t batch = 16;
  int64_t size = 0;  // height and width; 0: the preset's, or 32
  int64_t channels = 3;
  int64_t steps = 5;  // of the sampler, in one measurement
  int64_t threads = 0;
  double seconds = 20;
};

/// The keys of the libtorch wing's bench (train/bench.h): "images_per_second", "gflops", "limit_gflops",
/// "fraction_of_limit", ...; and "forward_fraction_of_limit", of network calls alone.
nlohmann::json bench_runtime(const SampleBench& request, Console& console, const StopSignal& stop);

}  // namespace langevin
