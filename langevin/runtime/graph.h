// A network as a list of operators: what the recorder hears and the plan prepares. Nodes stand in the order
// they were said, so inputs come before their uses.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "langevin/nn/vocabulary.h"

namespace langevin::runtime {

enum class Op {
  image,        // the input x (N,C,H,W) or (N,C,L)
  timesteps,    // the input t (N)
  labels,       // the input class_labels (N)
  global_cond,  // the input global_cond (N,D)
  conv2d,
  conv1d,
  conv_transpose1d,
  linear,
  group_norm,
  group_norm_modulated,
  embedding,
  timestep_embedding,
  silu,
  mish,
  affine,
  add,
  add_channels,
  film,
  concat,
  upsample_nearest,
  mean_positions,
  to_tokens,
  from_tokens,
  attention,
};
std::string to_string(Op op);

struct Affine {
  double scale = 1, offset = 0;
};
struct Embedding {
  int64_t count = 0, dim = 0;
};
struct Attention {
  int64_t heads = 1;
};
using Attributes = std::variant<std::monostate, nn::Conv, nn::ConvTranspose1d, nn::Linear, nn::GroupNorm,
                                nn::TimestepEmbedding, Affine, Embedding, Attention>;

struct Node {
  Op op;
  std::vector<int> inputs;  // indices of nodes
  Shape shape;              // logical: (N,C,H,W), (N,C,L), tokens (N,L,C) or (N,C)
  std::string name;         // full path; parameters are name.weight and name.bias. Empty for the nameless
  Attributes attributes{};
  bool tokens = false;  // (N,L,C), not (N,C,L)
};

struct Graph {
  std::vector<Node> nodes;
  int image = -1, timesteps = -1, labels = -1,
      global_cond = -1;  // -1: an input that the network does not take
  int output = -1;

  /// Nodes that `input` reaches (itself among them; none of an input that is -1).
  std::vector<bool> reached_from(int input) const;
  /// Nodes that the image reaches; all others depend on timestep, class and global_cond alone.
  std::vector<bool> from_image() const { return reached_from(image); }
};

}  // namespace langevin::runtime
