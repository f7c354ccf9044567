// langevin bench policy: how long a robot waits for one call of its network.
#pragma once

#include <nlohmann/json.hpp>

#include "langevin/cli/engine_options.h"
#include "langevin/core/console.h"
#include "langevin/core/signals.h"

namespace langevin::cli {

struct PolicyBench {
  BackendOptions backend;
  int64_t batch = 1;
  double seconds = 20;  // altogether
};

/// Calls of two ConditionalUnet1D with random weights, as a sampler makes them: ten timesteps of a grid, then
/// a new observation. First the engine's output is held to that of a plan of oneDNN's primitives in fp32
/// ("relative_error"; Error if it is beyond the precision's rounding). {"engine",
/// "memory_gbytes_per_second", "unet1d_65.8M": {...}, "unet1d_4.3M": {...}}; a network has seconds_median,
/// _p90, _p99, _max and `fraction_of_limit`: the time in which memory, read as fast as this machine was seen
/// to read it in the same run, delivers the weights once, over the median. Weights that stay in the
/// processor's caches may exceed 1; `fraction_of_reading` is the same with the time of reading as many bytes
/// again and again.
nlohmann::json bench_policy(const PolicyBench& request, Console& console, const StopSignal& stop);

}  // namespace langevin::cli
