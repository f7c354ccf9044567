// The ONNX interpreter (contract 1): a network written down in the operators of ONNX, so that any runtime of
// that format runs it. Parameters keep their names. Shapes, checks and names come from the cost interpreter,
// which it speaks every word to as well. The batch is free; pictures and sequences have the network's own
// size.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "langevin/io/onnx.h"
#include "langevin/nn/cost.h"
#include "langevin/nn/network.h"

namespace langevin::nn {

class OnnxInterpreter {
 public:
  struct Value {
    std::string name;
    Shape shape;  // for a batch of one
  };
  struct Scope {
    ScopePath::Guard cost, own;
  };
  Scope scope(std::string_view name) { return {cost_.scope(name), path_.enter(name)}; }
  Shape shape(const Value& v) const { return v.shape; }

  Value conv2d(const Value& x, std::string_view name, const Conv2d& c);
  Value conv1d(const Value& x, std::string_view name, const Conv1d& c);
  Value conv_transpose1d(const Value& x, std::string_view name, const ConvTranspose1d& c);
  Value linear(const Value& x, std::string_view name, const Linear& c);
  Value group_norm(const Value& x, std::string_view name, const GroupNorm& c);
  Value group_norm_modulated(const Value& x, const Value& scale_shift, std::string_view name,
                             const GroupNorm& c);
  Value embedding(const Value& ids, std::string_view name, int64_t count, int64_t dim);
  Value timestep_embedding(const Value& t, const TimestepEmbedding& c);
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
  Value layer_norm(const Value& x, std::string_view name, const LayerNorm& c);
  Value packed_linear(const Value& x, std::string_view name, const PackedLinear& c);
  Value add_positions(const Value& x, std::string_view name, const Positions& c);
  Value masked_attention(const Value& q, const Value& k, const Value& v, const MaskedAttention& c);
  Value gelu(const Value& x);
  Value geglu(const Value& x);
  Value relu(const Value& x);
  Value clamp(const Value& x, double low, double high);
  Value slice(const Value& x, int64_t first, int64_t count);
  Value channels_first(const Value& x);

  /// An input of the model; `shape` for a batch of one. `tokens`: its second axis may have any extent too.
  Value input(const std::string& name, onnx::Type type, const Shape& shape, bool tokens = false);
  /// The graph that ends in `output`, with every parameter that was named.
  onnx::Graph take(const Value& output);

 private:
  using Names = std::vector<std::string>;
  struct Halves {
    std::string first, second;
  };
  /// A node in the current scope, and its output.
  std::string node(const std::string& op, Names inputs, std::vector<onnx::Attribute> attributes = {});
  Halves split(const Value& x, int64_t axis);
  std::string integers(const std::vector<int64_t>& values);  // a constant
  std::string number(double value);                          // a constant scalar
  std::string filled(int64_t count, float value);            // a constant vector
  /// The name of a constant; `key` says all that it holds, so that equal ones are one.
  std::string constant(const std::string& key, Shape dims,
                       std::variant<std::vector<int64_t>, std::vector<float>> values);
  /// Here 0 keeps an extent and -1 is what is left.
  std::string reshaped(const std::string& x, const std::vector<int64_t>& shape);
  std::string transposed(const std::string& x, std::vector<int64_t> order);
  std::string times(const std::string& x, const std::string& y) { return node("Mul", {x, y}); }
  std::string plus(const std::string& x, const std::string& y) { return node("Add", {x, y}); }
  /// (C) or (N,C) so that it meets the channels of x, whose rank counts.
  std::string along_channels(const std::string& v, bool batched, const Shape& x);
  std::string product(const std::string& x, size_t rank, const std::string& weight, const std::string& bias);
  std::string normalised(const Value& x, const std::string& path, const GroupNorm& c);
  std::string convolved(const Value& x, const std::string& path, const Conv& c, size_t axes);
  std::string sliced(const std::string& x, int64_t axis, int64_t first, int64_t count);
  std::string gelu_of(const std::string& x);
  std::string silu_of(const std::string& x) { return times(x, node("Sigmoid", {x})); }
  std::string attended(const Value& q, const Value& k, const Value& v, int64_t heads,
                       const std::string& mask);

  CostInterpreter cost_;
  ScopePath path_;
  onnx::Graph graph_;
  std::map<std::string, std::string> constants_;  // key to name
};

static_assert(SequenceInterpreter<OnnxInterpreter>);

/// A denoiser as a graph: inputs `sample` (N,C,H,W) or (N,C,L), `timestep` (N), `class_labels` (N) integers
/// and the conditions under their own keys (nn::conditions) where the network takes them; output `output`.
/// Error: an autoencoder.
onnx::Graph onnx_graph(const NetworkConfig& config);

}  // namespace langevin::nn
