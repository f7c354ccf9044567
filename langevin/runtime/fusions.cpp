#include "langevin/runtime/fusions.h"

namespace langevin::runtime {
namespace {

bool is_product(const Node& n) { return n.op == Op::conv2d || n.op == Op::conv1d || n.op == Op::linear; }

class Search {
 public:
  Search(const Graph& graph, const StreamChains& chains, const Calibration* int8)
      : graph_(graph), chains_(chains), int8_(int8), trunk_(graph.trunk()), uses_(graph.nodes.size(), 0) {
    found_.same_as.assign(graph.nodes.size(), -1);
    for (const Node& n : graph.nodes)
      for (int input : n.inputs) ++uses_[at(input)];
    ++uses_[at(graph.output)];
  }

  Fusions run() {
    const int count = static_cast<int>(graph_.nodes.size());
    for (int i = 0; i < count; ++i) {
      if (trunk_[at(i)] && !chains_.covers(i)) fuse(i);
    }
    for (int i = 0; i < count; ++i) {
      if (trunk_[at(i)] && is_product(node(i))) fuse_norm(i);
    }
    return std::move(found_);
  }

 private:
  static size_t at(int i) { return static_cast<size_t>(i); }
  const Node& node(int i) const { return graph_.nodes[at(i)]; }

  /// The product that alone makes the value of node i and that nobody else reads; -1 if there is none.
  int sole_product(int i) const {
    while (graph_.is_view(node(i)) && uses_[at(i)] == 1) i = node(i).inputs[0];
    const bool sole = is_product(node(i)) && uses_[at(i)] == 1 && trunk_[at(i)] && !chains_.covers(i);
    const bool plain =
        found_.residual.count(i) == 0 && found_.doubled.count(i) == 0 && found_.gelu.count(i) == 0;
    return sole && plain ? i : -1;
  }

  void fuse(int i) {
    const Node& n = node(i);
    if (graph_.is_view(n)) found_.same_as[at(i)] = n.inputs[0];
    if (n.op == Op::add) fuse_add(i);
    if (n.op == Op::gelu) fuse_gelu(i);
    if (n.op == Op::geglu) fuse_geglu(i);
    if (n.op == Op::group_norm) fuse_added_row(i);
    if (n.op == Op::attention) fuse_products(i);
    if (n.op == Op::conv2d) fuse_doubling(i);
  }

  void fuse_add(int i) {
    const int a = node(i).inputs[0], b = node(i).inputs[1];
    if (!trunk_[at(a)] || !trunk_[at(b)]) return;
    // The one that is made last carries the sum: the other stands ready by then.
    for (const auto& [mine, other] : {std::pair{a, b}, std::pair{b, a}}) {
      const int product = sole_product(mine);
      if (product < 0 || found_.origin(other) >= product) continue;
      found_.residual[product] = other;
      found_.same_as[at(i)] = product;
      return;
    }
  }

  void fuse_gelu(int i) {
    const int product = sole_product(node(i).inputs[0]);
    if (product < 0 || node(product).op != Op::linear || int8_ != nullptr) return;
    found_.gelu.insert(product);
    found_.same_as[at(i)] = product;
  }

  /// The halves of a product, the second through GELU, become two products.
  void fuse_geglu(int i) {
    const int product = sole_product(node(i).inputs[0]);
    check(product >= 0 && node(product).op == Op::linear, "runtime",
          "geglu of what is not a linear map's result is not supported; use --backend torch");
    found_.gated[i] = product;
    found_.inside_gate.insert(product);
  }

  void fuse_added_row(int i) {
    const int added = node(i).inputs[0];
    const Node& n = node(added);
    if (n.op != Op::add_channels || uses_[at(added)] != 1 || trunk_[at(n.inputs[1])]) return;
    found_.added_row[i] = n.inputs[1];
    found_.same_as[at(added)] = n.inputs[0];
  }

  void fuse_products(int i) {
    const Node& n = node(i);
    for (int input : n.inputs) {
      const Node& x = node(input);
      const Node& first = node(n.inputs[0]);
      if (x.op != Op::linear || uses_[at(input)] != 1 || x.inputs[0] != first.inputs[0] ||
          x.shape != first.shape || bias_of(x) != bias_of(first))
        return;
    }
    for (int input : n.inputs) found_.together[input] = i;
  }

  void fuse_doubling(int i) {
    const int doubled = node(i).inputs[0];
    const Node& up = node(doubled);
    if (up.op != Op::upsample_nearest || uses_[at(doubled)] != 1) return;
    const Shape& from = node(up.inputs[0]).shape;
    const auto& c = std::get<nn::Conv>(node(i).attributes);
    const bool plain = c.kernel == 3 && c.stride == 1 && c.pad_before == 1 && c.pad_after == 1;
    if (!plain || up.shape[2] != 2 * from[2] || up.shape[3] != 2 * from[3]) return;
    found_.doubled.insert(i);
    found_.same_as[at(doubled)] = up.inputs[0];
  }

  /// A GroupNorm whose result only the int8 product i reads stores it as bytes.
  void fuse_norm(int i) {
    const auto joined = found_.together.find(i);
    if (joined != found_.together.end() && node(joined->second).inputs[0] != i)
      return;  // the first speaks for all
    if (int8_ == nullptr || int8_->find(node(i).name) == nullptr || found_.doubled.count(i) != 0) return;
    int from = node(i).inputs[0], readers = joined == found_.together.end() ? 1 : 3;
    for (; graph_.is_view(node(from)); from = node(from).inputs[0], readers = 1) {
      if (uses_[at(from)] != readers) return;
    }
    const bool norm = node(from).op == Op::group_norm || node(from).op == Op::group_norm_modulated;
    if (norm && uses_[at(from)] == readers) found_.stores_for[from] = i;
  }

  const Graph& graph_;
  const StreamChains& chains_;
  const Calibration* int8_;
  std::vector<bool> trunk_;
  std::vector<int> uses_;
  Fusions found_;
};

}  // namespace

Fusions find_fusions(const Graph& graph, const StreamChains& chains, const Calibration* int8) {
  return Search(graph, chains, int8).run();
}

}  // namespace langevin::runtime
