// The part of a network that depends on timestep, class and given vectors (global_cond, ..) alone: the
// timestep MLP and every block's projection of it. It is computed a row (one sample's t, class and vectors)
// at a time in fp32, in two halves that are kept apart: what t and class give, which the next batch over the
// same grid finds made, and what the vectors give, which all steps of a sampler share. A linear map of both
// beside each other is the sum of two maps, W [a; b] + c = (W_a a + c) + W_b b, so that a new observation
// costs only its own columns of W. Where the halves meet in another way than sums and maps of them, rows are
// computed whole.
#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "langevin/runtime/graph.h"
#include "langevin/runtime/pages.h"
#include "langevin/runtime/weights.h"

namespace langevin::runtime {

class Conditioning {
 public:
  /// Of a graph recorded for any batch. `weights` must outlive this.
  Conditioning(const Graph& graph, Weights& weights);

  int64_t width() const { return width_; }              // floats in a row
  int64_t given_width() const { return given_width_; }  // of all given vectors beside each other
  /// Where the values of `node` begin in a row. Error unless the rest of the network uses that node.
  int64_t offset(int node) const;
  /// Keeps what this many different given vectors give, without allocating for them later. Never fewer than
  /// before.
  void keep(int64_t count);
  /// Writes the row of a sample to `out`, width() floats. label counts only in a network with classes, given
  /// (given_width() values) only in one that takes some.
  void row(double t, int64_t label, const float* given, float* out);
  int64_t rows_computed() const { return computed_; }  // of timesteps and classes

 private:
  /// What a node's value is made of.
  enum class Form {
    steady,  // of timestep and class
    given,   // of the given vectors
    beside,  // one beside the other
    sum,     // the sum of two of its own width
  };
  enum class Half { steady, given };
  struct Part {
    std::vector<float> values;  // empty: the node has none of this half
    int64_t at = 0;             // its first column in the node's value
  };
  struct NodeValue {
    Form form = Form::steady;
    Part steady, given;
    Part& of(Half half) { return half == Half::steady ? steady : given; }
    const Part& of(Half half) const { return half == Half::steady ? steady : given; }
  };
  struct Parameters {
    const float* weight = nullptr;
    const float* bias = nullptr;
  };
  /// What a linear map has for given vectors, in blocks of outputs (kernels/stream_product.h): a robot waits
  /// for every new observation's row.
  struct GivenMap {
    const std::byte* weights = nullptr;
    int64_t blocks = 0;
  };
  struct Given {
    std::vector<float> vectors, row;
    uint64_t used = 0;  // when last; 0: never
  };

  /// Of every node before `index`; nullopt: its halves cannot be kept apart.
  std::optional<Form> form_of(int index, const std::vector<bool>& from_given,
                              const std::vector<bool>& from_steady) const;
  NodeValue prepared(int index, Form form) const;
  bool find_forms(const std::vector<bool>& trunk);
  void set_given(const float* given);
  const std::vector<float>& steady_row(double t, int64_t label);
  const std::vector<float>& given_row(const float* given);
  void compute(Half half, float t, int64_t label);
  void compute_node(int index, Half half, float t, int64_t label);
  void compute_linear(int index, Half half, std::vector<float>& y);
  void compute_given_map(int index, const Part& x, std::vector<float>& y);
  const Parameters& parameters(int index);
  void timestep_features(const nn::TimestepEmbedding& c, float t, float* out) const;
  void gather(Half half, std::vector<float>& row) const;
  Graph graph_;
  Weights& weights_;
  std::vector<int> order_;              // nodes to compute
  std::vector<Parameters> parameters_;  // by node, once it was computed
  std::vector<GivenMap> given_maps_;    // likewise
  Pages pages_;                         // of those
  std::byte* room_ = nullptr;           // of one result of theirs
  std::vector<NodeValue> values_;       // by node
  std::map<int, int64_t> offsets_;      // nodes that the rest uses
  bool whole_ = false;                  // rows are computed whole: every node is as if steady
  std::vector<float> row_;              // of which
  int64_t width_ = 0, given_width_ = 0, widest_ = 0, computed_ = 0;
  uint64_t clock_ = 0;
  std::map<std::pair<double, int64_t>, std::vector<float>> rows_;
  std::vector<Given> given_;
};

}  // namespace langevin::runtime
