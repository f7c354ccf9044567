// Timesteps drawn by how much their term of the bound varies: Nichol & Dhariwal 2021, arXiv:2102.09672,
// section 3.3, eq. 18:
//
//   L = E_{t ~ p} [L_t / p_t],   p_t proportional to sqrt(E[L_t^2])
//
// The last ten terms of each t stand for the expectation. Until every t has had ten, t is uniform.
#pragma once

#include <cstdint>
#include <vector>

namespace langevin {

class LossAwareTimes {
 public:
  static constexpr int64_t history = 10;         // terms kept of each t
  static constexpr double uniform_share = 1e-3;  // of draws that stay uniform: no t is forgotten

  /// T >= 1.
  explicit LossAwareTimes(int64_t T);

  int64_t T() const { return static_cast<int64_t>(seen_.size()); }
  bool warm() const { return cold_ == 0; }
  /// Notes a term of t; what is not finite is left out.
  void add(int64_t t, double term);

  struct Draw {
    int64_t t = 0;
    double weight = 1;  // 1 / (T p_t): with it the mean over draws is the mean over all t
  };
  /// The quantile u of p, u in (0, 1).
  Draw draw(double u) const;
  double probability(int64_t t) const;

  /// All that there is to keep: (T, 10) terms, the oldest replaced first, and (T) how many came.
  const std::vector<double>& terms() const { return terms_; }
  const std::vector<int64_t>& seen() const { return seen_; }
  /// Error unless they fit T.
  void restore(std::vector<double> terms, std::vector<int64_t> seen);

 private:
  void refresh() const;
  std::vector<double> terms_;
  std::vector<int64_t> seen_;
  int64_t cold_;                            // timesteps with fewer than ten terms
  mutable std::vector<double> cumulative_;  // of p, made when a draw needs it
  mutable bool stale_ = true;
};

}  // namespace langevin
