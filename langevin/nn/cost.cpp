#include "langevin/nn/cost.h"

#include <algorithm>

namespace langevin::nn {

void CostInterpreter::add_parameter(const std::string& name, Shape shape, Init init) {
  parameters_.push_back({name, std::move(shape), init});
}

/// `axes` spatial axes behind (N,C).
Shape CostInterpreter::convolution(const Value& x, std::string_view name, const Conv& c, const char* op,
                                   size_t axes) {
  const std::string path = path_.join(name);
  check(x.size() == 2 + axes, path, "{} needs {}, got {}", op, axes == 1 ? "(N,C,L)" : "(N,C,H,W)",
        to_string(x));
  Shape out{x[0], c.out}, weight{c.out, x[1]};
  int64_t taps = x[1];
  for (size_t axis = 2; axis < 2 + axes; ++axis) {
    out.push_back(conv_extent(x[axis], c, path));
    weight.push_back(c.kernel);
    taps *= c.kernel;
  }
  add_parameter(path + ".weight", weight, c.init);
  add_parameter(path + ".bias", {c.out}, init_zeros);
  rows_.push_back({path, op, out, c.out * (taps + 1),
                   2.0 * static_cast<double>(element_count(out)) * static_cast<double>(taps)});
  return out;
}

Shape CostInterpreter::conv2d(const Value& x, std::string_view name, const Conv2d& c) {
  return convolution(x, name, c, "conv2d", 2);
}

Shape CostInterpreter::conv1d(const Value& x, std::string_view name, const Conv1d& c) {
  return convolution(x, name, c, "conv1d", 1);
}

Shape CostInterpreter::conv_transpose1d(const Value& x, std::string_view name, const ConvTranspose1d& c) {
  const std::string path = path_.join(name);
  check(x.size() == 3, path, "conv_transpose1d needs (N,C,L), got {}", to_string(x));
  const Shape out{x[0], c.out, conv_transpose_extent(x[2], c)};
  add_parameter(path + ".weight", {x[1], c.out, c.kernel}, c.init);
  add_parameter(path + ".bias", {c.out}, init_zeros);
  // Every input meets every tap of every output channel once.
  rows_.push_back({path, "conv_transpose1d", out, c.out * (x[1] * c.kernel + 1),
                   2.0 * static_cast<double>(element_count(x)) * static_cast<double>(c.out * c.kernel)});
  return out;
}

Shape CostInterpreter::linear(const Value& x, std::string_view name, const Linear& c) {
  const std::string path = path_.join(name);
  Shape out = x;
  out.back() = c.out;
  add_parameter(path + ".weight", {c.out, x.back()}, c.init);
  if (c.bias) add_parameter(path + ".bias", {c.out}, init_zeros);
  rows_.push_back({path, "linear", out, c.out * (x.back() + (c.bias ? 1 : 0)),
                   2.0 * static_cast<double>(element_count(out)) * static_cast<double>(x.back())});
  return out;
}

Shape CostInterpreter::group_norm(const Value& x, std::string_view name, const GroupNorm& c) {
  const std::string path = path_.join(name);
  check(c.groups > 0 && x[1] % c.groups == 0, path, "{} groups do not divide {} channels", c.groups, x[1]);
  add_parameter(path + ".weight", {x[1]}, init_ones);
  add_parameter(path + ".bias", {x[1]}, init_zeros);
  rows_.push_back({path, "group_norm", x, 2 * x[1], 0});
  return x;
}

Shape CostInterpreter::group_norm_modulated(const Value& x, const Value& scale_shift, std::string_view name,
                                            const GroupNorm& c) {
  check(scale_shift == Shape{x[0], 2 * x[1]}, path_.join(name), "scale and shift must be {}, got {}",
        to_string({x[0], 2 * x[1]}), to_string(scale_shift));
  return group_norm(x, name, c);
}

Shape CostInterpreter::embedding(const Value& ids, std::string_view name, int64_t count, int64_t dim) {
  const std::string path = path_.join(name);
  add_parameter(path + ".weight", {count, dim}, {Init::Kind::normal, 1.0});
  rows_.push_back({path, "embedding", {ids[0], dim}, count * dim, 0});
  return {ids[0], dim};
}

Shape CostInterpreter::timestep_embedding(const Value& t, const TimestepEmbedding& c) {
  return {t[0], (t.size() > 1 ? t[1] : 1) * c.dim};
}

Shape CostInterpreter::add(const Value& x, const Value& y) {
  check(x == y, path_.join("add"), "shapes differ: {} and {}", to_string(x), to_string(y));
  return x;
}

Shape CostInterpreter::add_channels(const Value& x, const Value& bias) {
  check(bias == Shape{x[0], x[1]}, path_.join("add_channels"), "expected {}, got {}", to_string({x[0], x[1]}),
        to_string(bias));
  return x;
}

Shape CostInterpreter::film(const Value& x, const Value& scale_bias) {
  check(scale_bias == Shape{x[0], 2 * x[1]}, path_.join("film"), "scale and bias must be {}, got {}",
        to_string({x[0], 2 * x[1]}), to_string(scale_bias));
  return x;
}

Shape CostInterpreter::concat(const Value& x, const Value& y) {
  Shape joined = x;
  if (x.size() >= 2 && y.size() >= 2) joined[1] = y[1];
  check(x.size() >= 2 && joined == y, path_.join("concat"), "cannot join {} and {}", to_string(x),
        to_string(y));
  joined[1] = x[1] + y[1];
  return joined;
}

Shape CostInterpreter::upsample_nearest(const Value& x, int64_t height, int64_t width) {
  return {x[0], x[1], height, width};
}

Shape CostInterpreter::to_tokens(const Value& x) { return tokens_shape(x, path_.join("to_tokens")); }

Shape CostInterpreter::from_tokens(const Value& x, int64_t height, int64_t width) {
  check(x[1] == height * width, path_.join("from_tokens"), "{} tokens are not {} x {}", x[1], height, width);
  return {x[0], x[2], height, width};
}

Shape CostInterpreter::attention(const Value& q, const Value& k, const Value& v, int64_t heads) {
  const std::string path = path_.join("attention");
  check(q.size() == 3 && k.size() == 3 && v.size() == 3 && k[1] == v[1] && q[2] == k[2] && q[0] == k[0], path,
        "queries {}, keys {} and values {} do not belong together", to_string(q), to_string(k), to_string(v));
  check(heads > 0 && q[2] % heads == 0 && v[2] % heads == 0, path, "{} heads do not divide {} channels",
        heads, q[2]);
  const double scores = static_cast<double>(q[0] * q[1] * k[1]);
  rows_.push_back({path,
                   "attention",
                   {q[0], q[1], v[2]},
                   0,
                   2.0 * scores * static_cast<double>(q[2]) + 2.0 * scores * static_cast<double>(v[2])});
  return {q[0], q[1], v[2]};
}

Shape CostInterpreter::layer_norm(const Value& x, std::string_view name, const LayerNorm&) {
  const std::string path = path_.join(name);
  add_parameter(path + ".weight", {x.back()}, init_ones);
  add_parameter(path + ".bias", {x.back()}, init_zeros);
  rows_.push_back({path, "layer_norm", x, 2 * x.back(), 0});
  return x;
}

Shape CostInterpreter::packed_linear(const Value& x, std::string_view name, const PackedLinear& c) {
  const std::string path = path_.join(name);
  check(c.out > 0 && c.first >= 0 && c.first + c.out <= c.total, path, "has {} rows, not {} from {} on",
        c.total, c.out, c.first);
  Shape out = x;
  out.back() = c.out;
  if (c.first == 0) {  // the parts share one table
    add_parameter(path + "_weight", {c.total, x.back()}, c.init);
    add_parameter(path + "_bias", {c.total}, init_zeros);
  }
  rows_.push_back({path, "linear", out, c.out * (x.back() + 1),
                   2.0 * static_cast<double>(element_count(out)) * static_cast<double>(x.back())});
  return out;
}

Shape CostInterpreter::add_positions(const Value& x, std::string_view name, const Positions& c) {
  const std::string path = path_.join(name);
  check(x.size() == 3 && x[1] <= c.count, path, "knows {} positions, got {}", c.count, to_string(x));
  add_parameter(path, {1, c.count, x[2]}, c.init);
  rows_.push_back({path, "add_positions", x, c.count * x[2], 0});
  return x;
}

Shape CostInterpreter::masked_attention(const Value& q, const Value& k, const Value& v,
                                        const MaskedAttention& c) {
  check(c.ahead.value_or(0) >= 0, path_.join("attention"), "ahead must not be negative, got {}",
        c.ahead.value_or(0));
  return attention(q, k, v, c.heads);
}

Shape CostInterpreter::geglu(const Value& x) {
  check(x.back() % 2 == 0, path_.join("geglu"), "needs two halves, got {}", to_string(x));
  Shape half = x;
  half.back() /= 2;
  return half;
}

Shape CostInterpreter::slice(const Value& x, int64_t first, int64_t count) {
  check(x.size() >= 2 && first >= 0 && count >= 0 && first + count <= x[1], path_.join("slice"),
        "{} has no {} from {} on along its second axis", to_string(x), count, first);
  Shape part = x;
  part[1] = count;
  return part;
}

Shape CostInterpreter::channels_first(const Value& x) {
  check(x.size() == 3, path_.join("channels_first"), "needs tokens (N,L,C), got {}", to_string(x));
  return {x[0], x[2], x[1]};
}

Shape CostInterpreter::flatten(const Value& x) {
  return {x.at(0), element_count(Shape(x.begin() + 1, x.end()))};
}

Shape CostInterpreter::unflatten(const Value& x, const Shape& shape) {
  check(x.size() == 2 && x[1] == element_count(shape), "unflatten", "{} is not {} values", to_string(x),
        to_string(shape));
  Shape out{x[0]};
  out.insert(out.end(), shape.begin(), shape.end());
  return out;
}

int64_t CostInterpreter::parameter_count() const {
  int64_t total = 0;
  for (const auto& row : rows_) total += row.parameters;
  return total;
}

double CostInterpreter::flops() const {
  double total = 0;
  for (const auto& row : rows_) total += row.flops;
  return total;
}

std::vector<CostRow> CostInterpreter::by_block(int depth) const {
  std::vector<CostRow> blocks;
  for (const auto& row : rows_) {
    size_t end = 0;
    for (int part = 0; part < depth && end != std::string::npos; ++part)
      end = row.path.find('.', end == 0 ? 0 : end + 1);
    const std::string path = row.path.substr(0, end);
    auto it = std::find_if(blocks.begin(), blocks.end(), [&](const CostRow& b) { return b.path == path; });
    if (it == blocks.end()) it = blocks.insert(it, CostRow{path, "", {}, 0, 0});
    it->op = row.op;
    if (row.output.size() >= 3 || it->output.empty()) it->output = row.output;
    it->parameters += row.parameters;
    it->flops += row.flops;
  }
  return blocks;
}

}  // namespace langevin::nn
