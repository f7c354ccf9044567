#include "langevin/nn/onnx_interpreter.h"

#include <cmath>
#include <deque>

namespace langevin::nn {
namespace {

using Ints = std::vector<int64_t>;

Ints of_rank(size_t axes, int64_t value) { return Ints(axes, value); }

}  // namespace

std::string OnnxInterpreter::node(const std::string& op, Names inputs,
                                  std::vector<onnx::Attribute> attributes) {
  const std::string name = path_.join(fmt::format("{}_{}", op, graph_.nodes.size()));
  graph_.nodes.push_back({op, name, std::move(inputs), {name}, std::move(attributes)});
  return name;
}

OnnxInterpreter::Halves OnnxInterpreter::split(const Value& x, int64_t axis) {
  const int64_t half = x.shape.at(static_cast<size_t>(axis)) / 2;
  const std::string first = node("Split", {x.name, integers({half, half})}, {{"axis", axis}});
  const Halves halves{first, first + "_2"};
  graph_.nodes.back().outputs.push_back(halves.second);
  return halves;
}

std::string OnnxInterpreter::constant(const std::string& key, Shape dims,
                                      std::variant<std::vector<int64_t>, std::vector<float>> values) {
  const auto [found, fresh] = constants_.emplace(key, fmt::format("constant_{}", constants_.size()));
  if (fresh) graph_.constants.push_back({found->second, std::move(dims), std::move(values)});
  return found->second;
}

std::string OnnxInterpreter::integers(const Ints& values) {
  return constant(fmt::format("integers {}", fmt::join(values, ",")), {static_cast<int64_t>(values.size())},
                  values);
}

std::string OnnxInterpreter::number(double value) {
  return constant(fmt::format("number {}", value), {}, std::vector<float>{static_cast<float>(value)});
}

std::string OnnxInterpreter::filled(int64_t count, float value) {
  return constant(fmt::format("{} times {}", count, value), {count},
                  std::vector<float>(static_cast<size_t>(count), value));
}

std::string OnnxInterpreter::reshaped(const std::string& x, const Ints& shape) {
  return node("Reshape", {x, integers(shape)});
}

std::string OnnxInterpreter::transposed(const std::string& x, Ints order) {
  return node("Transpose", {x}, {{"perm", std::move(order)}});
}

std::string OnnxInterpreter::along_channels(const std::string& v, bool batched, const Shape& x) {
  if (x.size() == 2) return v;
  Ints shape = batched ? Ints{0, x[1]} : Ints{x[1]};
  shape.resize(shape.size() + x.size() - 2, 1);
  return reshaped(v, shape);
}

std::string OnnxInterpreter::convolved(const Value& x, const std::string& path, const Conv& c, size_t axes) {
  Ints pads = of_rank(axes, c.pad_before);  // those before all axes, then those behind
  pads.resize(2 * axes, c.pad_after);
  return node("Conv", {x.name, path + ".weight", path + ".bias"},
              {{"kernel_shape", of_rank(axes, c.kernel)},
               {"pads", std::move(pads)},
               {"strides", of_rank(axes, c.stride)}});
}

OnnxInterpreter::Value OnnxInterpreter::conv2d(const Value& x, std::string_view name, const Conv2d& c) {
  Shape shape = cost_.conv2d(x.shape, name, c);
  return {convolved(x, path_.join(name), c, 2), std::move(shape)};
}

OnnxInterpreter::Value OnnxInterpreter::conv1d(const Value& x, std::string_view name, const Conv1d& c) {
  Shape shape = cost_.conv1d(x.shape, name, c);
  return {convolved(x, path_.join(name), c, 1), std::move(shape)};
}

OnnxInterpreter::Value OnnxInterpreter::conv_transpose1d(const Value& x, std::string_view name,
                                                         const ConvTranspose1d& c) {
  Shape shape = cost_.conv_transpose1d(x.shape, name, c);
  const std::string path = path_.join(name);
  return {node("ConvTranspose", {x.name, path + ".weight", path + ".bias"},
               {{"kernel_shape", Ints{c.kernel}},
                {"pads", Ints{c.padding, c.padding}},
                {"strides", Ints{c.stride}}}),
          std::move(shape)};
}

/// x W^T + b, `bias` "" for none.
std::string OnnxInterpreter::product(const std::string& x, size_t rank, const std::string& weight,
                                     const std::string& bias) {
  if (rank == 2) {
    Names inputs{x, weight};
    if (!bias.empty()) inputs.push_back(bias);
    return node("Gemm", std::move(inputs), {{"transB", int64_t{1}}});
  }
  const std::string y = node("MatMul", {x, transposed(weight, {1, 0})});
  return bias.empty() ? y : plus(y, bias);
}

OnnxInterpreter::Value OnnxInterpreter::linear(const Value& x, std::string_view name, const Linear& c) {
  Shape shape = cost_.linear(x.shape, name, c);
  const std::string path = path_.join(name);
  return {product(x.name, x.shape.size(), path + ".weight", c.bias ? path + ".bias" : ""), std::move(shape)};
}

/// Operator set 17 has no GroupNormalization: each group becomes a channel of InstanceNormalization, and
/// weight and bias follow.
std::string OnnxInterpreter::normalised(const Value& x, const std::string& path, const GroupNorm& c) {
  const std::string groups = reshaped(x.name, {0, c.groups, -1});
  const std::string normal = node("InstanceNormalization", {groups, filled(c.groups, 1), filled(c.groups, 0)},
                                  {{"epsilon", static_cast<float>(c.eps)}});
  Ints shape = x.shape;
  shape[0] = 0;
  const std::string scaled = times(reshaped(normal, shape), along_channels(path + ".weight", false, x.shape));
  return plus(scaled, along_channels(path + ".bias", false, x.shape));
}

OnnxInterpreter::Value OnnxInterpreter::group_norm(const Value& x, std::string_view name,
                                                   const GroupNorm& c) {
  Shape shape = cost_.group_norm(x.shape, name, c);
  const std::string y = normalised(x, path_.join(name), c);
  return {c.silu ? silu_of(y) : y, std::move(shape)};
}

OnnxInterpreter::Value OnnxInterpreter::group_norm_modulated(const Value& x, const Value& scale_shift,
                                                             std::string_view name, const GroupNorm& c) {
  Shape shape = cost_.group_norm_modulated(x.shape, scale_shift.shape, name, c);
  const std::string normal = normalised(x, path_.join(name), c);
  const Halves halves = split(scale_shift, 1);
  const std::string scale = along_channels(plus(halves.first, number(1)), true, x.shape);
  const std::string y = plus(times(normal, scale), along_channels(halves.second, true, x.shape));
  return {c.silu ? silu_of(y) : y, std::move(shape)};
}

OnnxInterpreter::Value OnnxInterpreter::embedding(const Value& ids, std::string_view name, int64_t count,
                                                  int64_t dim) {
  Shape shape = cost_.embedding(ids.shape, name, count, dim);
  return {node("Gather", {path_.join(name) + ".weight", ids.name}, {{"axis", int64_t{0}}}), std::move(shape)};
}

OnnxInterpreter::Value OnnxInterpreter::timestep_embedding(const Value& t, const TimestepEmbedding& c) {
  const int64_t half = c.dim / 2;
  std::vector<float> frequencies;
  for (int64_t i = 0; i < half; ++i) {
    const double exponent = static_cast<double>(i) / (static_cast<double>(half) - c.freq_shift);
    frequencies.push_back(static_cast<float>(std::exp(-std::log(c.max_period) * exponent)));
  }
  const std::string name = constant(fmt::format("frequencies {} {} {}", half, c.freq_shift, c.max_period),
                                    {1, half}, std::move(frequencies));
  const std::string angle = times(reshaped(t.name, {-1, 1}), name);
  const std::string sine = node("Sin", {angle}), cosine = node("Cos", {angle});
  std::string y =
      node("Concat", c.flip_sin_to_cos ? Names{cosine, sine} : Names{sine, cosine}, {{"axis", int64_t{1}}});
  if (c.dim % 2 == 1) y = node("Pad", {y, integers({0, 0, 0, 1})});
  Shape shape = cost_.timestep_embedding(t.shape, c);
  return {t.shape.size() > 1 ? reshaped(y, {-1, shape[1]}) : y, std::move(shape)};
}

OnnxInterpreter::Value OnnxInterpreter::silu(const Value& x) { return {silu_of(x.name), x.shape}; }

OnnxInterpreter::Value OnnxInterpreter::mish(const Value& x) {
  return {times(x.name, node("Tanh", {node("Softplus", {x.name})})), x.shape};
}

OnnxInterpreter::Value OnnxInterpreter::affine(const Value& x, double scale, double offset) {
  Value y = x;
  if (scale != 1) y.name = times(y.name, number(scale));
  if (offset != 0) y.name = plus(y.name, number(offset));
  return y;
}

OnnxInterpreter::Value OnnxInterpreter::add(const Value& x, const Value& y) {
  Shape shape = cost_.add(x.shape, y.shape);
  return {plus(x.name, y.name), std::move(shape)};
}

OnnxInterpreter::Value OnnxInterpreter::add_channels(const Value& x, const Value& bias) {
  Shape shape = cost_.add_channels(x.shape, bias.shape);
  return {plus(x.name, along_channels(bias.name, true, x.shape)), std::move(shape)};
}

OnnxInterpreter::Value OnnxInterpreter::film(const Value& x, const Value& scale_bias) {
  Shape shape = cost_.film(x.shape, scale_bias.shape);
  const Halves halves = split(scale_bias, 1);
  const std::string scaled = times(x.name, along_channels(halves.first, true, x.shape));
  return {plus(scaled, along_channels(halves.second, true, x.shape)), std::move(shape)};
}

OnnxInterpreter::Value OnnxInterpreter::concat(const Value& x, const Value& y) {
  Shape shape = cost_.concat(x.shape, y.shape);
  return {node("Concat", {x.name, y.name}, {{"axis", int64_t{1}}}), std::move(shape)};
}

/// Doubling is a factor, exact everywhere; another size is given as such, for which the batch must be asked.
OnnxInterpreter::Value OnnxInterpreter::upsample_nearest(const Value& x, int64_t height, int64_t width) {
  Shape shape = cost_.upsample_nearest(x.shape, height, width);
  Names inputs{x.name, ""};
  if (height == 2 * x.shape[2] && width == 2 * x.shape[3]) {
    inputs.push_back(constant("doubled", {4}, std::vector<float>{1, 1, 2, 2}));
  } else {
    const std::string batch = node("Slice", {node("Shape", {x.name}), integers({0}), integers({1})});
    const std::string size =
        node("Concat", {batch, integers({shape[1], height, width})}, {{"axis", int64_t{0}}});
    inputs.insert(inputs.end(), {"", size});
  }
  return {
      node(
          "Resize", std::move(inputs),
          {{"mode", "nearest"}, {"coordinate_transformation_mode", "asymmetric"}, {"nearest_mode", "floor"}}),
      std::move(shape)};
}

OnnxInterpreter::Value OnnxInterpreter::mean_positions(const Value& x) {
  return {node("Flatten", {node("GlobalAveragePool", {x.name})}, {{"axis", int64_t{1}}}),
          cost_.mean_positions(x.shape)};
}

OnnxInterpreter::Value OnnxInterpreter::to_tokens(const Value& x) {
  Shape shape = cost_.to_tokens(x.shape);
  return {transposed(reshaped(x.name, {0, x.shape[1], -1}), {0, 2, 1}), std::move(shape)};
}

OnnxInterpreter::Value OnnxInterpreter::from_tokens(const Value& x, int64_t height, int64_t width) {
  Shape shape = cost_.from_tokens(x.shape, height, width);
  return {reshaped(transposed(x.name, {0, 2, 1}), {0, shape[1], height, width}), std::move(shape)};
}

/// softmax(q k^T / sqrt(d) + mask) v, heads beside the batch; the number of tokens may be any.
std::string OnnxInterpreter::attended(const Value& q, const Value& k, const Value& v, int64_t heads,
                                      const std::string& mask) {
  const int64_t width = q.shape[2] / heads;
  const auto parted = [&](const Value& x, Ints order) {
    return transposed(reshaped(x.name, {0, -1, heads, x.shape[2] / heads}), std::move(order));
  };
  const std::string queries =
      times(parted(q, {0, 2, 1, 3}), number(1 / std::sqrt(static_cast<double>(width))));
  std::string scores = node("MatMul", {queries, parted(k, {0, 2, 3, 1})});
  if (!mask.empty()) scores = plus(scores, mask);
  const std::string weights = node("Softmax", {scores}, {{"axis", int64_t{-1}}});
  const std::string y = node("MatMul", {weights, parted(v, {0, 2, 1, 3})});
  return reshaped(transposed(y, {0, 2, 1, 3}), {0, -1, v.shape[2]});
}

OnnxInterpreter::Value OnnxInterpreter::attention(const Value& q, const Value& k, const Value& v,
                                                  int64_t heads) {
  Shape shape = cost_.attention(q.shape, k.shape, v.shape, heads);
  return {attended(q, k, v, heads, ""), std::move(shape)};
}

OnnxInterpreter::Value OnnxInterpreter::input(const std::string& name, onnx::Type type, const Shape& shape,
                                              bool tokens) {
  onnx::Port port{name, type, {"batch"}};
  port.axes.insert(port.axes.end(), shape.begin() + 1, shape.end());
  if (tokens) port.axes.at(1) = "tokens";
  graph_.inputs.push_back(std::move(port));
  return {name, shape};
}

onnx::Graph OnnxInterpreter::take(const Value& output) {
  graph_.nodes.push_back({"Identity", "output", {output.name}, {"output"}, {}});
  graph_.outputs.push_back({"output", onnx::Type::f32, {"batch"}});
  auto& axes = graph_.outputs.back().axes;
  axes.insert(axes.end(), output.shape.begin() + 1, output.shape.end());
  for (const ParameterSpec& parameter : cost_.parameters())
    graph_.weights.push_back({parameter.name, parameter.shape});
  return std::move(graph_);
}

onnx::Graph onnx_graph(const NetworkConfig& config) {
  const std::string type = to_json(config).value("type", "network");
  check(!is_autoencoder(config), "onnx", "{} is no denoiser; only those are written as ONNX", type);
  using V = OnnxInterpreter::Value;
  OnnxInterpreter b;
  const V x = b.input("sample", onnx::Type::f32, input_shape(config, 1));
  const V t = b.input("timestep", onnx::Type::f32, {1});
  Inputs<V> in{.x = x, .t = t};
  std::deque<V> given;  // where the pointers of `in` point to
  if (class_count(config) > 0)
    in.class_labels = &given.emplace_back(b.input("class_labels", onnx::Type::i64, {1}));
  each_condition(
      [&](const V*& to, const auto& of) {
        if (!of) return;
        const bool tokens = of->freedom == Condition::Freedom::any_tokens;
        to = &given.emplace_back(b.input(of->key, onnx::Type::f32, of->shape, tokens));
      },
      in, conditions(config, 1));
  onnx::Graph graph = b.take(apply(b, config, in));
  graph.name = type;
  return graph;
}

}  // namespace langevin::nn
