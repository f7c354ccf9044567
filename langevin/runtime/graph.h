// A network as a list of operators: what the recorder hears and the plan prepares. Nodes stand in the order
// they were said, so inputs come before their uses.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "langevin/nn/picture_words.h"

namespace langevin::runtime {

enum class Op {
  image,      // the input x (N,C,H,W) or (N,C,L)
  timesteps,  // the input t (N)
  labels,     // the input class_labels (N)
  given,      // an input (N,D): global_cond, text_embeds, ..
  context,    // the input context (N,S,D)
  conv2d,
  conv1d,
  conv_transpose1d,
  linear,
  packed_linear,
  layer_norm,
  group_norm,
  group_norm_modulated,
  embedding,
  timestep_embedding,
  add_positions,
  silu,
  mish,
  gelu,
  geglu,
  relu,
  clamp,
  affine,
  add,
  add_channels,
  film,
  concat,
  upsample_nearest,
  conv2d_norm_relu,
  max_pool2d,
  mean_pool2d,
  mean_positions,
  to_tokens,
  from_tokens,
  channels_first,
  slice,
  attention,
};
std::string to_string(Op op);

struct Affine {
  double scale = 1, offset = 0;
};
struct Embedding {
  int64_t count = 0, dim = 0;
};
struct Bounds {
  double low = 0, high = 0;
};
struct Slice {
  int64_t from = 0, count = 0;
};
using Attributes = std::variant<std::monostate, nn::Conv, nn::ConvTranspose1d, nn::Linear, nn::PackedLinear,
                                nn::LayerNorm, nn::GroupNorm, nn::TimestepEmbedding, nn::Positions, Affine,
                                Embedding, Bounds, Slice, nn::MaskedAttention, nn::ConvNorm, nn::Pool>;

struct Node {
  Op op;
  std::vector<int> inputs;  // indices of nodes
  Shape shape;              // logical: (N,C,H,W), (N,C,L), tokens (N,L,C) or (N,C)
  std::string name;         // full path; parameters are name.weight and name.bias. Empty for the nameless
  Attributes attributes{};
  bool tokens = false;  // (N,L,C), not (N,C,L)
};

inline int64_t channels(const Node& n) { return n.tokens ? n.shape.at(2) : n.shape.at(1); }
/// Of one sample.
inline int64_t hw(const Node& n) { return element_count(n.shape) / n.shape[0] / channels(n); }
inline bool bias_of(const Node& n) { return n.op != Op::linear || std::get<nn::Linear>(n.attributes).bias; }

struct Graph {
  std::vector<Node> nodes;
  int image = -1, timesteps = -1, labels = -1, context = -1;  // -1: an input that is not taken
  std::vector<int> given;                                     // in the order of diffusion/conditions.h
  int output = -1;

  /// Nodes that any of these reach, themselves among them; -1 reaches none.
  std::vector<bool> reached_from(const std::vector<int>& inputs) const;
  /// Nodes that the image, the context or any tokens reach. All others are rows (N,D) that depend on
  /// timestep, class and the given vectors alone; the trunk meets them in add_channels, film,
  /// group_norm_modulated and to_tokens.
  std::vector<bool> trunk() const;
  /// Whether the node of a trunk is its input's bytes under another name.
  bool is_view(const Node& node) const {
    return node.op == Op::from_tokens || node.op == Op::channels_first ||
           (node.op == Op::to_tokens && nodes[static_cast<size_t>(node.inputs[0])].shape.size() > 2);
  }
};

}  // namespace langevin::runtime
