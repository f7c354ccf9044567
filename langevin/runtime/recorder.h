// The interpreter that records a network instead of computing it (contract 1). Shapes, checks and names come
// from the cost interpreter, which it speaks every word to as well.
#pragma once

#include "langevin/nn/cost.h"
#include "langevin/nn/network.h"
#include "langevin/runtime/graph.h"

namespace langevin::runtime {

class Recorder {
 public:
  struct Value {
    int node = -1;
  };
  nn::ScopePath::Guard scope(std::string_view name) { return cost_.scope(name); }
  Shape shape(const Value& v) const { return shape_of(v); }

  Value conv2d(const Value& x, std::string_view name, const nn::Conv2d& c);
  Value conv1d(const Value& x, std::string_view name, const nn::Conv1d& c);
  Value conv_transpose1d(const Value& x, std::string_view name, const nn::ConvTranspose1d& c);
  Value linear(const Value& x, std::string_view name, const nn::Linear& c);
  Value group_norm(const Value& x, std::string_view name, const nn::GroupNorm& c);
  Value group_norm_modulated(const Value& x, const Value& scale_shift, std::string_view name,
                             const nn::GroupNorm& c);
  Value embedding(const Value& ids, std::string_view name, int64_t count, int64_t dim);
  Value timestep_embedding(const Value& t, const nn::TimestepEmbedding& c);
  Value silu(const Value& x);
  Value mish(const Value& x);
  Value dropout(const Value& x, double) { return x; }  // inference
  Value affine(const Value& x, double scale, double offset);
  Value add(const Value& x, const Value& y);
  Value add_channels(const Value& x, const Value& bias);
  Value film(const Value& x, const Value& scale_bias);
  Value concat(const Value& x, const Value& y);
  Value upsample_nearest(const Value& x, int64_t height, int64_t width);
  Value mean_positions(const Value& x);
  Value to_tokens(const Value& x);
  Value from_tokens(const Value& x, int64_t height, int64_t width);
  Value attention(const Value& q, const Value& k, const Value& v, int64_t heads);

  Value input(Op op, Shape shape);
  Graph take(const Value& output);

 private:
  const Shape& shape_of(const Value& v) const { return graph_.nodes.at(static_cast<size_t>(v.node)).shape; }
  Value add_node(Op op, std::vector<Value> inputs, Shape shape, Attributes attributes = {});
  /// The node of an operator that owns parameters: the cost interpreter's newest row knows its full name.
  Value add_named(Op op, std::vector<Value> inputs, Shape shape, Attributes attributes);
  nn::CostInterpreter cost_;
  Graph graph_;
};

static_assert(nn::SequenceInterpreter<Recorder>);

/// Whether the runtime has the words of this network; the others are for libtorch, so far.
bool can_record(const nn::NetworkConfig& network);

/// What is wanted of a network: its answer, or of a classifier the features behind it.
enum class Wanted { answer, features };
/// The network applied to inputs of `shape`, (N,C,H,W) or (N,C,L). Error if it does not fit or
/// cannot be recorded.
Graph record(const nn::NetworkConfig& network, const Shape& shape, Wanted wanted = Wanted::answer);

}  // namespace langevin::runtime
