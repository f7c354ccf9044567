// How fast a deterministic sampler's error falls with its steps, measured where the answer is known: for data
// N(mean, stddev^2) every point of the probability flow keeps its place, counted in standard deviations of
// the marginal N(alpha mean, alpha^2 stddev^2 + sigma^2) (Song et al. 2020, arXiv:2011.13456, appendix D.1).
// What the tests and `langevin verify` both run.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "langevin/sample/sampler.h"

namespace langevin {

/// One sampler on one path, and what its order must be.
struct OrderCase {
  std::string name;
  SamplerConfig config;  // its steps are set by the measurement
  NoisePath path;
  std::vector<int64_t> steps;  // rising, each twice the one before
  double lowest, highest;      // of the order
};

struct OrderResult {
  std::string name;
  std::vector<int64_t> steps;
  std::vector<double> errors;  // largest over some points of the flow, float64
  double order;                // log2 of the ratio of the last two errors
  double lowest, highest;
  bool pass() const { return order >= lowest && order <= highest; }
};

/// Every deterministic sampler: Euler and DDIM 1 +- 0.1, second-order methods 2 +- 0.15, third order at least
/// 2.7.
std::vector<OrderCase> order_cases();

/// Runs one of them.
OrderResult measure_order(const OrderCase& order_case);

/// The largest error of one run at `steps` steps.
double flow_error(const OrderCase& order_case, int64_t steps);

}  // namespace langevin
