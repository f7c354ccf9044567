#include "langevin/runtime/recorder.h"

#include <array>
#include <list>

namespace langevin::runtime {

std::string to_string(Op op) {
  constexpr std::array names{"image",
                             "timesteps",
                             "labels",
                             "given",
                             "context",
                             "conv2d",
                             "conv1d",
                             "conv_transpose1d",
                             "linear",
                             "packed_linear",
                             "layer_norm",
                             "group_norm",
                             "group_norm_modulated",
                             "embedding",
                             "timestep_embedding",
                             "add_positions",
                             "silu",
                             "mish",
                             "gelu",
                             "geglu",
                             "relu",
                             "clamp",
                             "affine",
                             "add",
                             "add_channels",
                             "film",
                             "concat",
                             "upsample_nearest",
                             "conv2d_norm_relu",
                             "max_pool2d",
                             "mean_pool2d",
                             "mean_positions",
                             "to_tokens",
                             "from_tokens",
                             "channels_first",
                             "slice",
                             "attention"};
  static_assert(names.size() == static_cast<size_t>(Op::attention) + 1);
  return names.at(static_cast<size_t>(op));
}

std::vector<bool> Graph::reached_from(const std::vector<int>& inputs) const {
  std::vector<bool> reached(nodes.size(), false);
  for (int input : inputs) {
    if (input >= 0) reached[static_cast<size_t>(input)] = true;
  }
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (int from : nodes[i].inputs) reached[i] = reached[i] || reached[static_cast<size_t>(from)];
  }
  return reached;
}

std::vector<bool> Graph::trunk() const {
  std::vector<int> starts{image, context};
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i].op == Op::to_tokens) starts.push_back(static_cast<int>(i));
  }
  return reached_from(starts);
}

Recorder::Value Recorder::add_node(Op op, std::vector<Value> inputs, Shape shape, Attributes attributes) {
  Node node{op, {}, std::move(shape), "", std::move(attributes)};
  for (const Value& v : inputs) node.inputs.push_back(v.node);
  const bool leaves = op == Op::from_tokens || op == Op::channels_first;
  if (!leaves && !node.inputs.empty())
    node.tokens = op == Op::to_tokens || graph_.nodes[static_cast<size_t>(node.inputs[0])].tokens;
  if (op == Op::context) node.tokens = true;
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

Recorder::Value Recorder::packed_linear(const Value& x, std::string_view name, const nn::PackedLinear& c) {
  Shape shape = cost_.packed_linear(shape_of(x), name, c);
  return add_named(Op::packed_linear, {x}, std::move(shape), c);
}

Recorder::Value Recorder::layer_norm(const Value& x, std::string_view name, const nn::LayerNorm& c) {
  Shape shape = cost_.layer_norm(shape_of(x), name, c);
  return add_named(Op::layer_norm, {x}, std::move(shape), c);
}

Recorder::Value Recorder::add_positions(const Value& x, std::string_view name, const nn::Positions& c) {
  Shape shape = cost_.add_positions(shape_of(x), name, c);
  return add_named(Op::add_positions, {x}, std::move(shape), c);
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

Recorder::Value Recorder::gelu(const Value& x) { return add_node(Op::gelu, {x}, shape_of(x)); }

Recorder::Value Recorder::geglu(const Value& x) { return add_node(Op::geglu, {x}, cost_.geglu(shape_of(x))); }

Recorder::Value Recorder::relu(const Value& x) { return add_node(Op::relu, {x}, shape_of(x)); }

Recorder::Value Recorder::clamp(const Value& x, double low, double high) {
  return add_node(Op::clamp, {x}, shape_of(x), Bounds{low, high});
}

Recorder::Value Recorder::slice(const Value& x, int64_t from, int64_t count) {
  return add_node(Op::slice, {x}, cost_.slice(shape_of(x), from, count), Slice{from, count});
}

Recorder::Value Recorder::channels_first(const Value& x) {
  return add_node(Op::channels_first, {x}, cost_.channels_first(shape_of(x)));
}

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

Recorder::Value Recorder::conv2d_norm_relu(const Value& x, std::string_view name, const nn::ConvNorm& c) {
  const std::string path = path_.join(name);
  const Value v = add_node(Op::conv2d_norm_relu, {x}, nn::conv_norm_shape(shape_of(x), c, path), c);
  graph_.nodes.back().name = path;
  return v;
}

Recorder::Value Recorder::max_pool2d(const Value& x, const nn::Pool& c) {
  return add_node(Op::max_pool2d, {x}, nn::pool_shape(shape_of(x), c, path_.join("max_pool2d")), c);
}

Recorder::Value Recorder::mean_pool2d(const Value& x, const nn::Pool& c) {
  return add_node(Op::mean_pool2d, {x}, nn::pool_shape(shape_of(x), c, path_.join("mean_pool2d")), c);
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
  return masked_attention(q, k, v, {.heads = heads});
}

Recorder::Value Recorder::masked_attention(const Value& q, const Value& k, const Value& v,
                                           const nn::MaskedAttention& c) {
  Shape shape = cost_.masked_attention(shape_of(q), shape_of(k), shape_of(v), c);
  return add_node(Op::attention, {q, k, v}, std::move(shape), c);
}

Recorder::Value Recorder::input(Op op, Shape shape) {
  const Value v = add_node(op, {}, std::move(shape));
  if (op == Op::image) graph_.image = v.node;
  if (op == Op::timesteps) graph_.timesteps = v.node;
  if (op == Op::labels) graph_.labels = v.node;
  if (op == Op::given) graph_.given.push_back(v.node);
  if (op == Op::context) graph_.context = v.node;
  return v;
}

Graph Recorder::take(const Value& output) {
  graph_.output = output.node;
  return std::move(graph_);
}

Graph record(const nn::NetworkConfig& network, const CallShape& call) {
  Recorder recorder;
  const int64_t batch = call.x.at(0);
  const Recorder::Value x = recorder.input(Op::image, call.x);
  if (call.part == Part::encoder || call.part == Part::decoder) {
    const nn::AutoencoderKLConfig* c = nn::autoencoder(network);
    check(c != nullptr, "runtime", "{} is no autoencoder", nn::type_name(network));
    if (call.part == Part::decoder) return recorder.take(nn::autoencoder_kl_decode(recorder, *c, x));
    const auto z = nn::autoencoder_kl_encode(recorder, *c, x);
    return recorder.take(recorder.concat(z.mean, z.logvar));
  }
  const Recorder::Value t = recorder.input(Op::timesteps, {batch});
  Recorder::Value labels;
  const bool classes = nn::class_count(network) > 0;
  if (classes) labels = recorder.input(Op::labels, {batch});
  nn::Inputs<Recorder::Value> in{.x = x, .t = t, .class_labels = classes ? &labels : nullptr};
  std::list<Recorder::Value> conditions;  // whose addresses stay
  each_condition(
      [&](const Recorder::Value*& input, const Shape& shape) {
        if (shape.empty()) return;
        conditions.push_back(recorder.input(shape.size() == 3 ? Op::context : Op::given, shape));
        input = &conditions.back();
      },
      in, call);
  if (call.part == Part::whole) return recorder.take(nn::apply(recorder, network, in));
  const nn::ClassifierConfig* classifier = nn::classifier(network);
  check(classifier != nullptr, "runtime", "{} is no classifier: it has no features", nn::type_name(network));
  return recorder.take(nn::classifier_features(recorder, *classifier, in));
}

CallShape usual_call(const nn::NetworkConfig& network, int64_t n, Part part) {
  CallShape call{nn::input_shape(network, n)};
  call.part = part;
  if (part == Part::decoder) call.x = nn::latent_shape(*nn::autoencoder(network), call.x);
  each_condition(
      [](Shape& shape, const std::optional<nn::Condition>& taken) {
        if (taken && taken->required) shape = taken->shape;
      },
      call, nn::conditions(network, n));
  return call;
}

}  // namespace langevin::runtime
