// A network prepared for one batch size and one picture size: steps in order, memory laid out, weights
// packed.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "langevin/model/calibration.h"
#include "langevin/runtime/conditioning.h"
#include "langevin/runtime/step.h"

namespace langevin::runtime {

/// What a call is given, one a sample.
struct Inputs {
  const float* image = nullptr;  // (N,C,H,W) or (N,C,L)
  const std::vector<double>& t;
  const std::vector<int64_t>& labels;  // empty: the network has no classes
  const float* given = nullptr;        // (N,D), given vectors beside each other; null: it takes none
  const float* context = nullptr;      // (N,S,D); null: it takes none
};

/// What the plans of an engine share; it must outlive them, except for `int8`, which is only read while a
/// plan is made.
struct PlanShares {
  Conditioning& conditioning;
  Weights& weights;
  StreamContext* streams = nullptr;   // null: weights are not streamed
  const Calibration* int8 = nullptr;  // which products read bytes; null: none
};

class Plan {
 public:
  /// `graph` is recorded for the batch. The number of threads is OpenMP's at this moment, and must be the
  /// same whenever it runs.
  Plan(const Graph& graph, Type type, const PlanShares& shared);

  /// image -> output; t and labels (or empty) one a sample. Allocates nothing but what oneDNN needs to pass
  /// arguments, and rows of a timestep that is new.
  void run(const Inputs& inputs, float* output);

  /// From now on `watch` (empty: nobody) is called before every step that computes a product.
  using Watch = std::function<void(const Step& product, const Call& call)>;
  void watch(Watch watch) { watch_ = std::move(watch); }

  const Shape& output_shape() const { return output_shape_; }
  const std::vector<std::unique_ptr<Step>>& steps() const { return steps_; }
  const std::vector<Segment>& segments() const { return segments_; }
  const Buffers& buffers() const { return buffers_; }
  const dnnl::stream& stream() const { return stream_; }

 private:
  void choose_chunks(const Graph& graph);
  void share_memory();
  void find_regions();
  void run_streamed(Call call);
  int64_t write_rows(const Inputs& inputs);  // and their distance, 0 for a single one
  Type type_;                                // of values
  Conditioning& conditioning_;
  int64_t batch_;
  int threads_;
  StreamContext* streams_;
  Shape output_shape_;
  dnnl::engine engine_;
  dnnl::stream stream_;
  Buffers buffers_;
  std::vector<std::unique_ptr<Step>> steps_;
  std::vector<Segment> segments_;
  /// Steps in a row that a team shares.
  struct Region {
    int begin = 0, end = 0;
    std::vector<int> units;
  };
  std::vector<Region> regions_;
  Watch watch_;
  std::vector<float> rows_;  // (N, width)
};

}  // namespace langevin::runtime
