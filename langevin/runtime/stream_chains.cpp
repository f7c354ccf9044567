#include "langevin/runtime/stream_chains.h"

#include <algorithm>

#include "langevin/kernels/processor.h"

namespace langevin::runtime {
namespace {

bool is_product(const Node& n) {
  return n.op == Op::conv1d || n.op == Op::conv_transpose1d || n.op == Op::linear;
}

class Search {
 public:
  explicit Search(const Graph& graph) : graph_(graph), trunk_(graph.trunk()), readers_(graph.nodes.size()) {
    for (int i = 0; i < count(); ++i)
      for (int input : node(i).inputs) readers_[at(input)].push_back(i);
  }

  StreamChains run() {
    for (int i = 0; i < count(); ++i) {
      if (trunk_[at(i)] && is_product(node(i)) && !found_.covers(i)) add_chain(i);
    }
    for (int i = 0; i < count(); ++i) {
      if (trunk_[at(i)] && node(i).op == Op::concat && only_products_read(i)) found_.inside.insert(i);
    }
    return std::move(found_);
  }

 private:
  static size_t at(int i) { return static_cast<size_t>(i); }
  int count() const { return static_cast<int>(graph_.nodes.size()); }
  const Node& node(int i) const { return graph_.nodes[at(i)]; }

  /// The only reader of node i's value; -1 if there are none or several.
  int reader(int i) const {
    return i != graph_.output && readers_[at(i)].size() == 1 ? readers_[at(i)][0] : -1;
  }

  void add_chain(int product) {
    StreamChain c;
    c.product = c.end = product;
    const auto next = [&](auto fits) {
      const int r = reader(c.end);
      return r >= 0 && !found_.covers(r) && fits(node(r)) ? c.end = r : -1;
    };
    const auto steady = [&](const Node& n) { return n.inputs[0] == c.end && !trunk_[at(n.inputs[1])]; };
    c.norm = next([&](const Node& n) { return n.op == Op::group_norm && !n.tokens; });
    if (c.norm < 0 || !std::get<nn::GroupNorm>(node(c.norm).attributes).silu)
      c.activation = next([&](const Node& n) { return n.op == Op::silu || n.op == Op::mish; });
    c.film = next([&](const Node& n) { return (n.op == Op::film || n.op == Op::add_channels) && steady(n); });
    const int before = c.end;
    c.sum = next(
        [&](const Node& n) { return n.op == Op::add && trunk_[at(n.inputs[0])] && trunk_[at(n.inputs[1])]; });
    if (c.sum >= 0) {
      const Node& sum = node(c.sum);
      const int other = sum.inputs[sum.inputs[0] == before ? 1 : 0];
      const bool alone = is_product(node(other)) && reader(other) == c.sum && !found_.covers(other);
      (alone ? c.side : c.residual) = other;
    }
    for (int inside : {c.product, c.norm, c.activation, c.film, c.sum, c.side})
      if (inside >= 0 && inside != c.end) found_.inside.insert(inside);
    found_.by_end[c.end] = c;
  }

  bool only_products_read(int i) const {
    const auto& readers = readers_[at(i)];
    return i != graph_.output && !readers.empty() &&
           std::all_of(readers.begin(), readers.end(), [&](int r) { return is_product(node(r)); });
  }

  const Graph& graph_;
  std::vector<bool> trunk_;
  std::vector<std::vector<int>> readers_;
  StreamChains found_;
};

/// Columns of all products, weighted with their weights: how often a weight is used in a call.
int64_t uses_of_a_weight(const Graph& graph) {
  double weights = 0, uses = 0;
  const std::vector<bool> trunk = graph.trunk();
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& n = graph.nodes[i];
    if (!trunk[i] || !is_product(n)) continue;
    const Shape& in = graph.nodes[static_cast<size_t>(n.inputs[0])].shape;
    const auto* conv = std::get_if<nn::Conv>(&n.attributes);
    const double size = static_cast<double>((n.tokens ? in[2] * n.shape[2] : in[1] * n.shape[1]) *
                                            (conv == nullptr ? 1 : conv->kernel));
    weights += size;
    uses += size * static_cast<double>(n.shape[0] * (n.tokens ? n.shape[1] : n.shape[2]));
  }
  return weights > 0 ? static_cast<int64_t>(uses / weights) : 0;
}

}  // namespace

// Streaming is measured to be faster at every batch (docs/performance.md) where bf16 is a way to store
// numbers alone; where matrices of it multiply faster than fp32, large batches are for oneDNN.
bool suits_streaming(const Graph& graph, Type asked) {
  const std::vector<bool> trunk = graph.trunk();
  bool sequences = false;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!trunk[i]) continue;
    const Op op = graph.nodes[i].op;
    if (op == Op::conv2d || op == Op::attention) return false;
    sequences = sequences || op == Op::conv1d;
  }
  constexpr int64_t kFewUses = 64;
  const bool matrices = asked == Type::bf16 && has_fast_bf16();
  return sequences && (!matrices || uses_of_a_weight(graph) <= kFewUses);
}

StreamChains stream_chains(const Graph& graph) { return Search(graph).run(); }

}  // namespace langevin::runtime
