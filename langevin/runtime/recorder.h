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
  struct Scope {
    nn::ScopePath::Guard cost, own;
  };
  Scope scope(std::string_view name) { return {cost_.scope(name), path_.enter(name)}; }
  Shape shape(const Value& v) const { return shape_of(v); }

  Value conv2d(const Value& x, std::string_view name, const nn::Conv2d& c);
  Value conv1d(const Value& x, std::string_view name, const nn::Conv1d& c);
  Value conv_transpose1d(const Value& x, std::string_view name, const nn::ConvTranspose1d& c);
  Value linear(const Value& x, std::string_view name, const nn::Linear& c);
  Value packed_linear(const Value& x, std::string_view name, const nn::PackedLinear& c);
  Value layer_norm(const Value& x, std::string_view name, const nn::LayerNorm& c);
  Value add_positions(const Value& x, std::string_view name, const nn::Positions& c);
  Value group_norm(const Value& x, std::string_view name, const nn::GroupNorm& c);
  Value group_norm_modulated(const Value& x, const Value& scale_shift, std::string_view name,
                             const nn::GroupNorm& c);
  Value embedding(const Value& ids, std::string_view name, int64_t count, int64_t dim);
  Value timestep_embedding(const Value& t, const nn::TimestepEmbedding& c);
  Value silu(const Value& x);
  Value mish(const Value& x);
  Value gelu(const Value& x);
  Value geglu(const Value& x);
  Value relu(const Value& x);
  Value clamp(const Value& x, double low, double high);
  Value dropout(const Value& x, double) { return x; }  // inference
  Value affine(const Value& x, double scale, double offset);
  Value add(const Value& x, const Value& y);
  Value add_channels(const Value& x, const Value& bias);
  Value film(const Value& x, const Value& scale_bias);
  Value concat(const Value& x, const Value& y);
  Value upsample_nearest(const Value& x, int64_t height, int64_t width);
  Value conv2d_norm_relu(const Value& x, std::string_view name, const nn::ConvNorm& c);
  Value max_pool2d(const Value& x, const nn::Pool& c);
  Value mean_pool2d(const Value& x, const nn::Pool& c);
  Value mean_positions(const Value& x);
  Value to_tokens(const Value& x);
  Value from_tokens(const Value& x, int64_t height, int64_t width);
  Value channels_first(const Value& x);
  Value slice(const Value& x, int64_t from, int64_t count);
  Value attention(const Value& q, const Value& k, const Value& v, int64_t heads);
  Value masked_attention(const Value& q, const Value& k, const Value& v, const nn::MaskedAttention& c);

  Value input(Op op, Shape shape);
  Graph take(const Value& output);

 private:
  const Shape& shape_of(const Value& v) const { return graph_.nodes.at(static_cast<size_t>(v.node)).shape; }
  Value add_node(Op op, std::vector<Value> inputs, Shape shape, Attributes attributes = {});
  /// The node of an operator that owns parameters: the cost interpreter's newest row knows its full name.
  Value add_named(Op op, std::vector<Value> inputs, Shape shape, Attributes attributes);
  nn::CostInterpreter cost_;
  nn::ScopePath path_;  // the same, for words that the cost interpreter does not know
  Graph graph_;
};

static_assert(nn::Interpreter<Recorder>);
static_assert(nn::ClassifyingInterpreter<Recorder>);

/// Which part of an autoencoder or, features, of a classifier.
enum class Part { whole, encoder, decoder, features };

/// The sizes of a call's inputs. A condition that is not given is empty.
struct CallShape {
  Shape x;  // (N,C,H,W) or (N,C,L)
  Part part = Part::whole;
  Shape global_cond = {}, context = {}, class_vectors = {}, text_embeds = {}, time_ids = {},
        timestep_cond = {};
  bool operator==(const CallShape&) const = default;
};

/// A batch of n at the size that `network` was configured for, with all that it must be given.
CallShape usual_call(const nn::NetworkConfig& network, int64_t n, Part part = Part::whole);

/// The network applied to such a call; an encoder's output is mean and logvar beside each other. Error if it
/// does not fit.
Graph record(const nn::NetworkConfig& network, const CallShape& call);

}  // namespace langevin::runtime
