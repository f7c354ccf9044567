// The variational bound of a model on pictures (diffusion/bound.h), estimated: the decoder's and the prior's
// terms of every picture, and of the many in between a few drawn for each by how large they are, so that
// their weighted mean is the sum of all. Pictures stream through; nothing grows with their number.
//
// ddpm has the sum over its timesteps; edm and flow, whose time is continuous, the integral over log SNR.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "langevin/model/spec.h"

namespace langevin {

/// One call: x (B,C,H,W), what each row is told (B), classes (B, or empty) -> the network's raw output.
using BoundNetwork = std::function<HostArrayF(const HostArrayF& x, const std::vector<double>& told,
                                              const std::vector<int64_t>& labels)>;

struct BoundOptions {
  int64_t draws = 8;   // timesteps a picture, 1 or more; 0: all of them (ddpm)
  int64_t batch = 64;  // rows of a call
  uint64_t seed = 0;
  /// Of p(x_{t-1} | x_t) where the network learns none (ddpm).
  DdpmVariance variance = DdpmVariance::fixed_small;
  std::function<bool()> stopped = {};
  std::function<void(int64_t rows)> progress = {};  // rows done of a call of add()
};

/// Pictures of one add().
struct BoundBatch {
  HostArrayF x0;                 // (N,C,H,W), as the model sees data
  std::vector<int64_t> labels;   // N, or empty
  std::vector<int64_t> indices;  // N: which examples these are; the draws are theirs whatever the batch
};

/// The mean of a term over pictures, in bits per dimension.
struct BoundTerm {
  double bits = 0, standard_error = 0;
};

/// Terms near one t: their mean, each by itself (of continuous time: the bits of a unit of log SNR).
struct BoundPoint {
  double t = 0;                // of the path; ddpm: the timestep in the middle
  double log_snr = 0;          // there
  double first = 0, last = 0;  // ddpm: timesteps covered; else log SNR from, to
  double bits = 0, standard_error = 0;
  int64_t count = 0;
};

struct BoundReport {
  int64_t images = 0;
  int64_t dimensions = 0;
  BoundTerm total, prior, diffusion, decoder;  // L = L_T + sum + L_0
  std::vector<BoundPoint> curve;               // from little noise to much
  int64_t calls = 0;                           // of the network, rows counted
  /// Of continuous time: the log SNR that the integral ends at. Every end is a bound (what lies beyond is the
  /// decoder's); of those tried this has the lowest.
  double end_log_snr = 0;
};
nlohmann::json to_json(const BoundReport& report);

class BoundEstimate {
 public:
  /// Error: a model that is no denoiser of 8-bit pictures, options out of range.
  BoundEstimate(const ModelSpec& spec, BoundNetwork network, BoundOptions options);
  ~BoundEstimate();
  BoundEstimate(const BoundEstimate&) = delete;
  BoundEstimate& operator=(const BoundEstimate&) = delete;

  /// False: stopped, and none of the batch counts. The first batch also decides where the draws fall.
  bool add(const BoundBatch& batch);
  BoundReport report() const;
  /// Rows that an add() of n pictures takes, for progress bars.
  int64_t rows_of(int64_t n) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace langevin
