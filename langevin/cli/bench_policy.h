// langevin bench policy: how long a robot waits for one call of its network.
#pragma once

#include <nlohmann/json.hpp>

#include "langevin/cli/engine_options.h"
#include "langevin/core/console.h"
#include "langevin/core/signals.h"

namespace langevin::cli {

/// One call at batch 1 of two ConditionalUnet1D with random weights, through the engine that `backend` names,
/// for about `seconds` altogether. {"engine", "roofline", "unet1d_65.8M": {...}, "unet1d_4.3M": {...}}; a
/// network has seconds_median, seconds_p99, seconds_max and `fraction_of_limit`: the time in which memory,
/// read as fast as this machine was seen to read it in the same run, delivers the weights once, over the
/// median. Weights that stay in the processor's caches may exceed 1.
nlohmann::json bench_policy(const BackendOptions& backend, double seconds, Console& console,
                            const StopSignal& stop);

}  // namespace langevin::cli
