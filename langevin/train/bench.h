// What `langevin bench train` and `bench sample` measure: the real step and the real sampler on a network of
// a preset, as a share of the convolution rate that oneDNN (on a GPU: cuDNN) reaches on this machine in the
// same run. Free of libtorch headers.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "langevin/core/console.h"
#include "langevin/core/signals.h"
#include "langevin/nn/network.h"
#include "langevin/runtime/roofline.h"

namespace langevin {

struct BenchRequest {
  std::string what = "train";  // train | sample | roofline
  std::string preset = "ddpm-cifar10";
  std::string precision = "auto", device = "auto";
  int64_t batch = 0;  // 0: 16
  int64_t size = 0;   // height and width; 0: the preset's, or 32
  int64_t channels = 3;
  int64_t steps = 0;  // sampler steps a measurement; 0: 5
  int64_t threads = 0;
  bool recompute = false;                         // train: as langevin train --recompute
  bool record = true;                             // train on a GPU: replay a recorded step
  double seconds = 20;                            // of measuring
  std::optional<nn::NetworkConfig> network = {};  // in place of the preset's
  std::optional<Roofline> roofline = {};          // already measured
};

/// {"images_per_second", "gflops", "limit_gflops", "fraction_of_limit", "fraction_of_matmul", "batch",
/// "precision", ...}; medians over the measured steps with their spread.
nlohmann::json bench(const BenchRequest& request, Console& console, const StopSignal& stop);

}  // namespace langevin
