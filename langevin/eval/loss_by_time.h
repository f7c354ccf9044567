// How large a model's error is at each level of noise: the loss of training, looked at where it arises.
#pragma once

#include <functional>
#include <vector>

#include "langevin/diffusion/target.h"
#include "langevin/model/engine.h"

namespace langevin {

struct TimeLoss {
  double t = 0, sigma = 0;              // of the model's path; sigma / alpha
  double loss = 0, standard_error = 0;  // mean square error of the network's answer, an element
};

struct TimeLossOptions {
  int64_t points = 20;  // levels, evenly in t (of EDM evenly in log sigma)
  uint64_t seed = 0;    // of the noise
  std::function<bool()> stopped;
};

/// x0 (N,C,H,W) in the model's units and their labels (N, or empty where the model takes none). From the
/// cleanest level to the noisiest; fewer when stopped.
std::vector<TimeLoss> loss_by_time(Engine& engine, const HostArrayF& x0, const std::vector<int64_t>& labels,
                                   const TimeLossOptions& options);

/// Times from clean to noisy, evenly as above.
std::vector<double> even_times(const NoisePath& path, int64_t count);

}  // namespace langevin
