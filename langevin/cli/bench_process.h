// langevin bench process: what `langevin sample` costs beside the calls of its network.
#pragma once

#include <nlohmann/json.hpp>

#include "langevin/core/console.h"
#include "langevin/core/signals.h"
#include "langevin/train/bench.h"

namespace langevin::cli {

/// Runs `langevin sample MODEL -n 16 --steps 50` (DDIM, the request's preset, precision and threads; random
/// weights) as a process of its own, three times, each followed by calls of the same network in this process.
/// {"process_seconds", "call_seconds", "calls", "process_over_calls", "first_call_seconds", ...}; the last is
/// from an opened file to the end of the first call, less one later call: reading and packing the weights.
nlohmann::json bench_process(const BenchRequest& request, Console& console, const StopSignal& stop);

}  // namespace langevin::cli
