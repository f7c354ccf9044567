// A network prepared for one batch size and one picture size: steps in order, memory laid out, weights
// packed.
#pragma once

#include <memory>
#include <vector>

#include "langevin/runtime/conditioning.h"
#include "langevin/runtime/step.h"

namespace langevin::runtime {

class Plan {
 public:
  /// `graph` is recorded for the batch. `weights` and `conditioning` are shared by an engine's plans and must
  /// outlive them. The number of threads is OpenMP's at this moment, and must be the same whenever it runs.
  Plan(const Graph& graph, Type type, Conditioning& conditioning, Weights& weights);

  /// image (N,C,H,W) -> output (N,out,H,W); t and labels (or empty) one a sample. Allocates nothing but what
  /// oneDNN needs to pass arguments, and rows of a timestep that is new.
  void run(const float* image, const std::vector<double>& t, const std::vector<int64_t>& labels,
           float* output);

  const Shape& output_shape() const { return output_shape_; }
  const std::vector<std::unique_ptr<Step>>& steps() const { return steps_; }
  const std::vector<Segment>& segments() const { return segments_; }
  const Buffers& buffers() const { return buffers_; }
  const dnnl::stream& stream() const { return stream_; }

 private:
  void choose_chunks(const Graph& graph);
  void share_memory();
  Type type_;  // of values
  Conditioning& conditioning_;
  int64_t batch_;
  int threads_;
  Shape output_shape_;
  dnnl::engine engine_;
  dnnl::stream stream_;
  Buffers buffers_;
  std::vector<std::unique_ptr<Step>> steps_;
  std::vector<Segment> segments_;
  std::vector<float> rows_;  // (N, width)
};

}  // namespace langevin::runtime
