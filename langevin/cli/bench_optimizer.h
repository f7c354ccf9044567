// langevin bench optimizer: one step of AdamW with its average and bf16 weights, against one pass over
// memory.
#pragma once

#include <nlohmann/json.hpp>

#include "langevin/core/console.h"
#include "langevin/core/signals.h"

namespace langevin::cli {

/// Steps over 35.75 million parameters, after one is compared with the plain loops of kernels/adamw.h. The
/// limit is the bytes that a step must read and write once (38 a parameter: gradient, weight, two moments and
/// the average in; all but the gradient out, and the bf16 weight) over the memory's reading rate in the same
/// run.
/// {"seconds_median", "seconds_p90", "gbytes_per_second", "times_the_limit", "fraction_of_limit", ...}
nlohmann::json bench_optimizer(int threads, double seconds, Console& console, const StopSignal& stop);

}  // namespace langevin::cli
