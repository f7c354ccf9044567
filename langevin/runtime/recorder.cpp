#include "langevin/runtime/recorder.h"

#include <array>

namespace langevin::runtime {

std::string to_string(Op op) {
  constexpr std::array names{"image",
                             "timesteps",
                             "labels",
                             "global_cond",
                             "conv2d",
                             "conv1d",
                             "conv_transpose1d",
                             "linear",
                             "group_norm",
                             "group_norm_modulated",
                             "embedding",
                             "timestep_embedding",
                             "silu",
                             "mish",
                             "affine",
                             "add",
                             "add_channels",
                             "film",
                             "concat",
                             "upsample_nearest",
                             "mean_positions",
                             "to_tokens",
                             "from_tokens",
                             "attention"};
  return names.at(static_cast<size_t>(op));
}

std::vector<bool> Graph::reached_from(int input) const {
  std::vector<bool> reached(nodes.size(), false);
  for (size_t i = 0; i < nodes.size(); ++i) {
    reached[i] = static_cast<int>(i) == input;
    for (int from : nodes[i].inputs) reached[i] = reached[i] || reached[static_cast<size_t>(from)];
  }
  return reached;
}

Recorder::Value Recorder::add_node(Op op, std::vector<Value> inputs, Shape shape, Attributes attributes) {
  Node node{op, {}, std::move(shape), "", std::move(attributes)};
  for (const Value& v : inputs) node.inputs.push_back(v.node);
  if (op != Op::from_tokens && !node.inputs.empty())
    node.tokens = op == Op::to_tokens || graph_.nodes[static_cast<size_t>(node.inputs[0])].tokens;
  graph_.nodes.push_back(std::move(node));
  return {static_cast<int>(graph_.nodes.size()) - 1};
}

Recorder::Value Recorder::add_named(Op op, std::vector<Value> inputs, Shape shape, Attributes attributes) {
  const Value v = add_node(op, std::move(inputs), std::move(shape), std::move(attributes));
  graph_.nodes.back().name = cost_.rows().back().path;
  return v;
}

Recorder::Value Recorder::conv2d(const Value& x, std::string_view name, const nn::Conv2d& c) {
  Shape shape = cost_.conv2d(shape_of(x), name, c);
  return add_named(Op::conv2d, {x}, std::move(shape), c);
}

Recorder::Value Recorder::conv1d(const Value& x, std::string_view name, const nn::Conv1d& c) {
  Shape shape = cost_.conv1d(shape_of(x), name, c);
  return add_named(Op::conv1d, {x}, std::move(shape), c);
}

Recorder::Value Recorder::conv_transpose1d(const Value& x, std::string_view name,
                                           const nn::ConvTranspose1d& c) {
  Shape shape = cost_.conv_transpose1d(shape_of(x), name, c);
  return add_named(Op::conv_transpose1d, {x}, std::move(shape), c);
}

Recorder::Value Recorder::linear(const Value& x, std::string_view name, const nn::Linear& c) {
  Shape shape = cost_.linear(shape_of(x), name, c);
  return add_named(Op::linear, {x}, std::move(shape), c);
}

Recorder::Value Recorder::group_norm(const Value& x, std::string_view name, const nn::GroupNorm& c) {
  Shape shape = cost_.group_norm(shape_of(x), name, c);
  return add_named(Op::group_norm, {x}, std::move(shape), c);
}

Recorder::Value Recorder::group_norm_modulated(const Value& x, const Value& scale_shift,
                                               std::string_view name, const nn::GroupNorm& c) {
  Shape shape = cost_.group_norm_modulated(shape_of(x), shape_of(scale_shift), name, c);
  return add_named(Op::group_norm_modulated, {x, scale_shift}, std::move(shape), c);
}

Recorder::Value Recorder::embedding(const Value& ids, std::string_view name, int64_t count, int64_t dim) {
  Shape shape = cost_.embedding(shape_of(ids), name, count, dim);
  return add_named(Op::embedding, {ids}, std::move(shape), Embedding{count, dim});
}

Recorder::Value Recorder::timestep_embedding(const Value& t, const nn::TimestepEmbedding& c) {
  return add_node(Op::timestep_embedding, {t}, cost_.timestep_embedding(shape_of(t), c), c);
}

Recorder::Value Recorder::silu(const Value& x) { return add_node(Op::silu, {x}, shape_of(x)); }

Recorder::Value Recorder::mish(const Value& x) { return add_node(Op::mish, {x}, shape_of(x)); }

Recorder::Value Recorder::affine(const Value& x, double scale, double offset) {
  return add_node(Op::affine, {x}, shape_of(x), Affine{scale, offset});
}

Recorder::Value Recorder::add(const Value& x, const Value& y) {
  return add_node(Op::add, {x, y}, cost_.add(shape_of(x), shape_of(y)));
}

Recorder::Value Recorder::add_channels(const Value& x, const Value& bias) {
  return add_node(Op::add_channels, {x, bias}, cost_.add_channels(shape_of(x), shape_of(bias)));
}

Recorder::Value Recorder::film(const Value& x, const Value& scale_bias) {
  return add_node(Op::film, {x, scale_bias}, cost_.film(shape_of(x), shape_of(scale_bias)));
}

Recorder::Value Recorder::concat(const Value& x, const Value& y) {
  return add_node(Op::concat, {x, y}, cost_.concat(shape_of(x), shape_of(y)));
}

Recorder::Value Recorder::upsample_nearest(const Value& x, int64_t height, int64_t width) {
  return add_node(Op::upsample_nearest, {x}, cost_.upsample_nearest(shape_of(x), height, width));
}

Recorder::Value Recorder::mean_positions(const Value& x) {
  return add_node(Op::mean_positions, {x}, cost_.mean_positions(shape_of(x)));
}

Recorder::Value Recorder::to_tokens(const Value& x) {
  return add_node(Op::to_tokens, {x}, cost_.to_tokens(shape_of(x)));
}

Recorder::Value Recorder::from_tokens(const Value& x, int64_t height, int64_t width) {
  return add_node(Op::from_tokens, {x}, cost_.from_tokens(shape_of(x), height, width));
}

Recorder::Value Recorder::attention(const Value& q, const Value& k, const Value& v, int64_t heads) {
  Shape shape = cost_.attention(shape_of(q), shape_of(k), shape_of(v), heads);
  return add_node(Op::attention, {q, k, v}, std::move(shape), Attention{heads});
}

Recorder::Value Recorder::input(Op op, Shape shape) {
  const Value v = add_node(op, {}, std::move(shape));
  if (op == Op::image) graph_.image = v.node;
  if (op == Op::timesteps) graph_.timesteps = v.node;
  if (op == Op::labels) graph_.labels = v.node;
  if (op == Op::global_cond) graph_.global_cond = v.node;
  return v;
}

Graph Recorder::take(const Value& output) {
  graph_.output = output.node;
  return std::move(graph_);
}

bool can_record(const nn::NetworkConfig& network) {
  return std::holds_alternative<nn::UNet2DConfig>(network) ||
         std::holds_alternative<nn::UNet1DConfig>(network) || nn::classifier(network) != nullptr;
}

Graph record(const nn::NetworkConfig& network, const Shape& shape, Wanted wanted) {
  check(can_record(network), "runtime", "does not run networks of the type {} so far; use --backend torch",
        nn::type_name(network));
  Recorder recorder;
  const int64_t batch = shape.at(0), width = nn::global_cond_dim(network);
  const Recorder::Value x = recorder.input(Op::image, shape), t = recorder.input(Op::timesteps, {batch});
  Recorder::Value labels, global_cond;
  const bool classes = nn::class_count(network) > 0;
  if (classes) labels = recorder.input(Op::labels, {batch});
  if (width > 0) global_cond = recorder.input(Op::global_cond, {batch, width});
  const nn::Inputs<Recorder::Value> in{x, t, classes ? &labels : nullptr, width > 0 ? &global_cond : nullptr};
  if (wanted == Wanted::answer) return recorder.take(nn::apply(recorder, network, in));
  const nn::ClassifierConfig* classifier = nn::classifier(network);
  check(classifier != nullptr, "runtime", "the network is no classifier: it has no features");
  return recorder.take(nn::classifier_features(recorder, *classifier, in));
}

}  // namespace langevin::runtime
