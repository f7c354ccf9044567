// A network as a list of operators: what the recorder hears and the plan prepares. Nodes stand in the order
// they were said, so inputs come before their uses.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "langevin/nn/vocabulary.h"

namespace langevin::runtime {

enum class Op {
  image,      // the input x (N,C,H,W)
  timesteps,  // the input t (N)
  labels,     // the input class_labels (N)
  conv2d,
  linear,
  group_norm,
  group_norm_modulated,
  embedding,
  timestep_embedding,
  silu,
  affine,
  add,
  add_channels,
  concat,
  upsample_nearest,
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
using Attributes = std::variant<std::monostate, nn::Conv2d, nn::Linear, nn::GroupNorm, nn::TimestepEmbedding,
                                Affine, Embedding, Attention>;

struct Node {
  Op op;
  std::vector<int> inputs;  // indices of nodes
  Shape shape;              // logical: (N,C,H,W), (N,L,C) or (N,C)
  std::string name;         // full path; parameters are name.weight and name.bias. Empty for the nameless
  Attributes attributes{};
};

struct Graph {
  std::vector<Node> nodes;
  int image = -1, timesteps = -1, labels = -1;  // labels: -1 if unconditional
  int output = -1;

  /// Nodes that the image reaches; all others depend on timestep and class alone.
  std::vector<bool> from_image() const;
};

}  // namespace langevin::runtime
