// Finds out how a network's products become int8: watches what they read on given inputs, chooses the bytes,
// and measures for each product alone how far the network's output moves. Those that move it most stay in
// fp32.
#pragma once

#include <functional>
#include <vector>

#include "langevin/model/calibration.h"
#include "langevin/runtime/network.h"

namespace langevin::runtime {

/// One call of the network: x_t of some samples with their timesteps, and labels or none.
struct CalibrationBatch {
  HostArrayF x;
  std::vector<double> t;
  std::vector<int64_t> labels;
};

struct CalibrationOptions {
  uint64_t seed = 0;
  /// Samples, of those given, that the errors are measured on.
  int64_t tried = 16;
  /// Called with the calls done and to be done, now and then.
  std::function<void(int64_t done, int64_t total)> progress;
};

/// `network` is of type int8; it is left using the result. The batches must cover the timesteps; what they
/// hold is what the network will be good at. source, samples and seed of the result are the caller's to fill.
Calibration calibrate(RuntimeNetwork& network, const std::vector<CalibrationBatch>& batches,
                      const CalibrationOptions& options);

}  // namespace langevin::runtime
