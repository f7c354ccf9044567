// The exact likelihood of a model's probability flow on pictures (sample/likelihood_ode.h), for every
// target. 8-bit pictures are dequantised: a uniform part of a step is added to each value, which turns the
// density's logarithm into a bound on that of the bytes (Theis et al. 2015, arXiv:1511.01844, section 3.1).
//
// The density is that of the flow which ends at the model's cleanest level and takes what stands there for
// data, as samplers do whose last step adds nothing.
#pragma once

#include <vector>

#include "langevin/model/engine.h"
#include "langevin/sample/likelihood_ode.h"

namespace langevin {

struct OdeBatch {
  HostArrayF x0;                 // (N,C,H,W), 8-bit values in [-1, 1]
  std::vector<int64_t> labels;   // N, or empty
  std::vector<int64_t> indices;  // N: which examples these are; noise and probe are theirs
};

struct OdeNats {
  std::vector<double> nats;  // -log of the bytes' probability, N
  int64_t calls = 0;         // of the network with its gradient, rows counted
  bool stopped = false;
};

/// The flow of a model between its levels, rows of a batch of `labels`.
AngleFlow model_flow(Engine& engine, const Target& target, std::vector<int64_t> labels);

/// Angles of the cleanest and the noisiest level.
struct AngleRange {
  double lo = 0, hi = 0;
};
AngleRange angle_range(const Target& target);

OdeNats ode_nats(Engine& engine, const Target& target, const OdeBatch& batch, uint64_t seed,
                 const OdeOptions& options);

}  // namespace langevin
