// langevin bench sweep: the same network in many sizes, so that a shape that falls off a cliff shows.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "langevin/core/console.h"
#include "langevin/core/signals.h"
#include "langevin/train/bench.h"

namespace langevin::cli {

/// One call of the runtime at batch 1, 8 and 64 and one training step at batch 8, for channels 32 to 256 and
/// pictures of 8 to 64, then variants of one size: without attention, with classes, with scale and shift,
/// with odd extents and channels; about three minutes. {"rows": [{"network", "channels", "size",
/// "parameters", "forward_b1",
/// ...}], "lowest": {...}}; every figure is the share of the rate of this machine's best direct 3x3
/// convolution in the request's precision, measured once in the same run. Cells above `kMost` FLOP a call are
/// null.
nlohmann::json bench_sweep(const BenchRequest& request, Console& console, const StopSignal& stop);

/// The result as a table for people.
std::string sweep_table(const nlohmann::json& result);

}  // namespace langevin::cli
