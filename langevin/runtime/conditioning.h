// The part of a network that depends on timestep and class alone: the timestep MLP and every block's
// projection of it. It is computed a row (one pair of t and class) at a time in fp32, and kept: the samples
// of a batch share a row, and the next batch over the same grid finds all of them made.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "langevin/runtime/graph.h"
#include "langevin/runtime/weights.h"

namespace langevin::runtime {

class Conditioning {
 public:
  /// Of a graph recorded for any batch. `weights` must outlive this.
  Conditioning(const Graph& graph, Weights& weights);

  int64_t width() const { return width_; }  // floats in a row
  /// Where the values of `node` begin in a row. Error unless the rest of the network uses that node.
  int64_t offset(int node) const;
  /// The row of (t, label), valid until the next call; label counts only in a network with classes.
  const float* row(double t, int64_t label);
  int64_t rows_computed() const { return computed_; }

 private:
  void compute(float t, int64_t label);
  void compute_node(int index, float t, int64_t label);
  void timestep_features(const nn::TimestepEmbedding& c, float t, float* out) const;
  Graph graph_;
  Weights& weights_;
  std::vector<int> order_;                  // nodes to compute
  std::vector<std::vector<float>> values_;  // by node
  std::map<int, int64_t> offsets_;          // nodes that the rest uses
  int64_t width_ = 0, computed_ = 0;
  std::map<std::pair<double, int64_t>, std::vector<float>> rows_;
};

}  // namespace langevin::runtime
