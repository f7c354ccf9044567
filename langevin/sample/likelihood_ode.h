// Exact log-likelihoods by the probability-flow ODE (Song et al. 2020, arXiv:2011.13456, section 4.3 and
// appendix D.2), for every path alike. With (alpha, sigma) = r (cos a, sin a) and z = x / r,
//
//   dz/da = v(z, a),  v = cos a eps - sin a x_0          (2202.00512, appendix D: the angle as time)
//   log p(z at lo) = log N(z at hi; 0, I) + int_lo^hi div v da
//
// The trace div v is estimated by probes u of signs, u^T (dv/dz) u (Skilling 1989; Hutchinson 1990), the same
// along a sample's whole way; the integral by Dormand and Prince's pair of orders 5 and 4 (1980) with steps
// chosen for each sample by itself, so that a sample's figure does not depend on its batch.
#pragma once

#include <functional>
#include <vector>

#include "langevin/core/array.h"
#include "langevin/diffusion/path.h"

namespace langevin {

/// The flow at one place of each row.
struct FlowStep {
  HostArrayF velocity;             // (R, ...)
  std::vector<double> divergence;  // R, u^T (dv/dz) u
};

/// z and u are (R, ...), angle has a value for each row.
using AngleFlow = std::function<FlowStep(const HostArrayF& z, const std::vector<double>& angle,
                                         const std::vector<int64_t>& rows, const HostArrayF& probe)>;

struct OdeOptions {
  double tolerance = 1e-4;   // relative and absolute, of a step; in (0, 0.1]
  int64_t max_steps = 5000;  // of a sample, rejected ones included; Error beyond
  std::function<bool()> stopped = {};
};

struct OdeLikelihood {
  std::vector<double> log_density;  // nats, of z at the start
  int64_t calls = 0;                // of the flow, rows counted
  int64_t most_steps = 0;           // of one sample
  bool stopped = false;             // within: there are no densities
};

/// From z (B, ...) at angle `lo` to `hi`, 0 < lo < hi <= pi/2, with the probe (B, ...) of signs.
OdeLikelihood ode_log_likelihood(const AngleFlow& flow, const HostArrayF& z, const HostArrayF& probe,
                                 double lo, double hi, const OdeOptions& options = {});

/// Signs, keyed: sample i of the batch has those of `key` with sample + i.
HostArrayF sign_probe(const Shape& shape, const NoiseKey& key);

/// atan2(sigma, alpha), and the time of a path that stands there.
double angle_of(const PathPoint& point);
double time_at_angle(const NoisePath& path, double angle);

}  // namespace langevin
