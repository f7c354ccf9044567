#include "langevin/runtime/conditioning.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "langevin/kernels/rows.h"
#include "langevin/kernels/stream_product.h"

namespace langevin::runtime {
namespace {

constexpr int64_t kCacheFloats = int64_t{16} << 20;  // 64 MiB of rows

bool is_input(Op op) { return op == Op::timesteps || op == Op::labels || op == Op::given; }

}  // namespace

Conditioning::Conditioning(const Graph& graph, Weights& weights) : graph_(graph), weights_(weights) {
  const std::vector<bool> trunk = graph.trunk();
  values_.resize(graph.nodes.size());
  parameters_.resize(graph.nodes.size());
  given_maps_.resize(graph.nodes.size());
  for (int node : graph.given) given_width_ += graph.nodes[static_cast<size_t>(node)].shape.back();
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (trunk[i]) {
      for (int input : node.inputs) {
        if (trunk[static_cast<size_t>(input)] || offsets_.count(input) != 0) continue;
        offsets_[input] = width_;
        width_ += graph.nodes[static_cast<size_t>(input)].shape.back();
      }
      continue;
    }
    if (node.op == Op::timesteps || node.op == Op::labels) continue;
    check(node.shape.size() == 2, "runtime", "{} {} of the conditioning is not a row",
          runtime::to_string(node.op), node.name);
    widest_ = std::max(widest_, node.shape.back());
    if (!is_input(node.op)) order_.push_back(static_cast<int>(i));
  }
  whole_ = !find_forms(trunk);
  if (whole_) {
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      const Node& node = graph.nodes[i];
      if (trunk[i] || node.op == Op::timesteps || node.op == Op::labels) continue;
      values_[i] = prepared(static_cast<int>(i), Form::steady);
    }
    row_.resize(static_cast<size_t>(width_));
  }
  keep(1);
}

bool Conditioning::find_forms(const std::vector<bool>& trunk) {
  const std::vector<bool> from_given = graph_.reached_from(graph_.given),
                          from_steady = graph_.reached_from({graph_.timesteps, graph_.labels});
  for (size_t i = 0; i < graph_.nodes.size(); ++i) {
    const Op op = graph_.nodes[i].op;
    if (trunk[i] || op == Op::timesteps || op == Op::labels) continue;
    const std::optional<Form> form = form_of(static_cast<int>(i), from_given, from_steady);
    if (!form) return false;
    values_[i] = prepared(static_cast<int>(i), *form);
  }
  return true;
}

std::optional<Conditioning::Form> Conditioning::form_of(int index, const std::vector<bool>& from_given,
                                                        const std::vector<bool>& from_steady) const {
  const Node& node = graph_.nodes[static_cast<size_t>(index)];
  if (!from_given[static_cast<size_t>(index)]) return Form::steady;
  if (!from_steady[static_cast<size_t>(index)]) return Form::given;
  const auto form = [&](size_t i) { return values_[static_cast<size_t>(node.inputs.at(i))].form; };
  if (node.op == Op::concat) {
    const bool meet = form(0) != form(1) && form(0) <= Form::given && form(1) <= Form::given;
    return meet ? std::optional(Form::beside) : std::nullopt;
  }
  if (node.op == Op::affine) return form(0);
  if (node.op == Op::linear) return Form::sum;
  if (node.op == Op::add && form(0) != Form::beside && form(1) != Form::beside) return Form::sum;
  return form(0) == Form::beside && node.op != Op::add ? std::optional(Form::beside) : std::nullopt;
}

// Room for the halves that a node's value has.
Conditioning::NodeValue Conditioning::prepared(int index, Form form) const {
  const Node& node = graph_.nodes[static_cast<size_t>(index)];
  const auto width = static_cast<size_t>(node.shape.back());
  NodeValue value;
  value.form = form;
  if (form == Form::beside && node.op == Op::concat) {
    const Form before = values_[static_cast<size_t>(node.inputs[0])].form;
    const int64_t first = graph_.nodes[static_cast<size_t>(node.inputs[0])].shape.back();
    const Half half = before == Form::steady ? Half::steady : Half::given;
    const Half other = half == Half::steady ? Half::given : Half::steady;
    value.of(half).values.resize(static_cast<size_t>(first));
    value.of(other) = {std::vector<float>(width - static_cast<size_t>(first)), first};
  } else if (form == Form::beside || (form == Form::sum && node.op == Op::affine)) {
    value = values_[static_cast<size_t>(node.inputs[0])];
  } else {
    if (form != Form::given) value.steady.values.resize(width);
    if (form != Form::steady) value.given.values.resize(width);
  }
  return value;
}

int64_t Conditioning::offset(int node) const {
  const auto it = offsets_.find(node);
  check(it != offsets_.end(), "Conditioning", "node {} is no part of a row", node);
  return it->second;
}

void Conditioning::keep(int64_t count) {
  if (given_width_ == 0) return;
  while (static_cast<int64_t>(given_.size()) < count)
    given_.push_back({std::vector<float>(static_cast<size_t>(given_width_)),
                      std::vector<float>(static_cast<size_t>(width_)), 0});
}

void Conditioning::set_given(const float* given) {
  for (int node : graph_.given) {
    auto& value = values_[static_cast<size_t>(node)];
    std::vector<float>& to = whole_ ? value.steady.values : value.given.values;
    std::copy_n(given, to.size(), to.begin());
    given += to.size();
  }
}

void Conditioning::row(double t, int64_t label, const float* given, float* out) {
  check(given_width_ == 0 || given != nullptr, "Conditioning", "the network needs its given vectors");
  if (whole_) {
    set_given(given);
    compute(Half::steady, static_cast<float>(t), label);
    gather(Half::steady, row_);
    std::copy(row_.begin(), row_.end(), out);
    return;
  }
  const std::vector<float>& steady = steady_row(t, label);
  if (given_width_ == 0) {
    std::copy(steady.begin(), steady.end(), out);
    return;
  }
  const std::vector<float>& added = given_row(given);
  for (size_t i = 0; i < steady.size(); ++i) out[i] = steady[i] + added[i];
}

const std::vector<float>& Conditioning::steady_row(double t, int64_t label) {
  const std::pair<double, int64_t> key{t, graph_.labels < 0 ? -1 : label};
  const auto found = rows_.find(key);
  if (found != rows_.end()) return found->second;
  const int64_t limit = std::max<int64_t>(1, kCacheFloats / std::max<int64_t>(1, width_));
  if (static_cast<int64_t>(rows_.size()) >= limit) rows_.clear();
  compute(Half::steady, static_cast<float>(t), key.second);
  ++computed_;
  std::vector<float> row(static_cast<size_t>(width_));
  gather(Half::steady, row);
  return rows_.emplace(key, std::move(row)).first->second;
}

const std::vector<float>& Conditioning::given_row(const float* given) {
  Given* oldest = &given_.front();
  for (Given& g : given_) {
    const size_t bytes = g.vectors.size() * sizeof(float);
    if (g.used != 0 && std::memcmp(g.vectors.data(), given, bytes) == 0) {
      g.used = ++clock_;
      return g.row;
    }
    if (g.used < oldest->used) oldest = &g;
  }
  set_given(given);
  std::copy_n(given, given_width_, oldest->vectors.begin());
  compute(Half::given, 0, -1);
  gather(Half::given, oldest->row);
  oldest->used = ++clock_;
  return oldest->row;
}

void Conditioning::gather(Half half, std::vector<float>& row) const {
  for (const auto& [node, offset] : offsets_) {
    const Part& part = values_[static_cast<size_t>(node)].of(half);
    std::copy(part.values.begin(), part.values.end(), row.begin() + offset + part.at);
  }
}

void Conditioning::compute(Half half, float t, int64_t label) {
  for (int index : order_) {
    if (!values_[static_cast<size_t>(index)].of(half).values.empty()) compute_node(index, half, t, label);
  }
}

// Found by name once: later calls allocate nothing.
const Conditioning::Parameters& Conditioning::parameters(int index) {
  Parameters& found = parameters_[static_cast<size_t>(index)];
  if (found.weight != nullptr) return found;
  const Node& node = graph_.nodes[static_cast<size_t>(index)];
  const int64_t out = node.shape.back();
  if (const auto* e = std::get_if<Embedding>(&node.attributes)) {
    found.weight = weights_.floats(node.name + ".weight", e->count * e->dim).data();
    return found;
  }
  const int64_t in = graph_.nodes[static_cast<size_t>(node.inputs.at(0))].shape.back();
  if (std::get<nn::Linear>(node.attributes).bias)
    found.bias = weights_.floats(node.name + ".bias", out).data();
  found.weight = weights_.floats(node.name + ".weight", in * out).data();
  return found;
}

// The columns of the weights that meet given vectors, packed once: between the others they lie far apart.
void Conditioning::compute_given_map(int index, const Part& x, std::vector<float>& y) {
  GivenMap& map = given_maps_[static_cast<size_t>(index)];
  const auto in = static_cast<int64_t>(x.values.size()), out = static_cast<int64_t>(y.size());
  const int64_t width =
      graph_.nodes[static_cast<size_t>(graph_.nodes[static_cast<size_t>(index)].inputs[0])].shape.back();
  if (map.weights == nullptr) {
    const int64_t bytes = stream_slice_bytes(StreamType::fp32, in);
    const int64_t blocks = (out + kStreamBlock - 1) / kStreamBlock;
    std::byte* to = pages_.take(static_cast<size_t>(blocks * bytes));
    const float* from = parameters(index).weight + x.at;
    for (int64_t b = 0; b < blocks; ++b) {
      const int64_t first = b * kStreamBlock;
      pack_stream_slice(StreamType::fp32,
                        {from + first * width, in, std::min(kStreamBlock, out - first), 1, width},
                        to + b * bytes);
    }
    if (room_ == nullptr) room_ = pages_.take(static_cast<size_t>((widest_ + kStreamBlock) * 4));
    map = {to, blocks};
  }
  auto* sums = reinterpret_cast<float*>(room_);
  std::fill_n(sums, map.blocks * kStreamBlock, 0.0F);
  const int32_t zero = 0;
  const StreamTap tap{0, 1, &zero, &zero};
  const StreamRows rows{x.values.data(), in, in, nullptr};
  stream_product(
      {StreamType::fp32, map.weights, map.blocks, 1, &tap, &rows, sums, map.blocks * kStreamBlock});
  std::copy_n(sums, out, y.begin());
}

void Conditioning::compute_linear(int index, Half half, std::vector<float>& y) {
  const auto input = static_cast<size_t>(graph_.nodes[static_cast<size_t>(index)].inputs.at(0));
  const Part& x = values_[input].of(half);
  const Parameters& p = parameters(index);
  const auto in = static_cast<int64_t>(x.values.size()), out = static_cast<int64_t>(y.size());
  if (half == Half::given) {
    compute_given_map(index, x, y);
    // Where the halves meet in a sum, the bias belongs to the steady one.
    if (values_[input].form == Form::given && p.bias != nullptr) blend({y.data(), p.bias, y.data(), out});
    return;
  }
  linear_row({x.values.data(), p.weight + x.at, p.bias, y.data(), in, out, graph_.nodes[input].shape.back()});
}

void Conditioning::compute_node(int index, Half half, float t, int64_t label) {
  const Node& node = graph_.nodes[static_cast<size_t>(index)];
  const Form form = values_[static_cast<size_t>(index)].form;
  std::vector<float>& y = values_[static_cast<size_t>(index)].of(half).values;
  const auto width = static_cast<int64_t>(y.size());
  const auto input = [&](size_t i) -> const std::vector<float>& {
    return values_[static_cast<size_t>(node.inputs.at(i))].of(half).values;
  };
  switch (node.op) {
    case Op::timestep_embedding: {
      const auto& c = std::get<nn::TimestepEmbedding>(node.attributes);
      if (node.inputs.at(0) == graph_.timesteps) return timestep_features(c, t, y.data());
      for (size_t i = 0; i < input(0).size(); ++i)  // (N,K) -> (N, K dim)
        timestep_features(c, input(0)[i], y.data() + static_cast<int64_t>(i) * c.dim);
      return;
    }
    case Op::linear:
      return compute_linear(index, half, y);
    case Op::embedding: {
      const auto& e = std::get<Embedding>(node.attributes);
      check(label >= 0 && label < e.count, node.name, "there is no row {} among {}", label, e.count);
      std::copy_n(parameters(index).weight + label * e.dim, e.dim, y.begin());
      return;
    }
    case Op::silu:
      return langevin::silu(input(0).data(), y.data(), width);
    case Op::mish:
      return langevin::mish(input(0).data(), y.data(), width);
    case Op::gelu:
      for (size_t i = 0; i < y.size(); ++i)
        y[i] = input(0)[i] * 0.5F * (1.0F + std::erf(input(0)[i] * 0.70710678F));
      return;
    case Op::relu:
      for (size_t i = 0; i < y.size(); ++i) y[i] = std::max(input(0)[i], 0.0F);
      return;
    case Op::concat: {
      const auto end = std::copy(input(0).begin(), input(0).end(), y.begin());
      std::copy(input(1).begin(), input(1).end(), end);
      return;
    }
    case Op::add: {
      const bool both = !input(0).empty() && !input(1).empty();
      const std::vector<float>& x = input(0).empty() ? input(1) : input(0);
      return blend({x.data(), both ? input(1).data() : nullptr, y.data(), width});
    }
    case Op::affine: {
      const auto& a = std::get<Affine>(node.attributes);
      const double offset = form == Form::sum && half == Half::given ? 0 : a.offset;
      return blend({input(0).data(), nullptr, y.data(), width, static_cast<float>(a.scale), 0,
                    static_cast<float>(offset)});
    }
    default:
      fail("runtime: {} of timestep, class and given vectors alone is not supported; use --backend torch",
           runtime::to_string(node.op));
  }
}

// Rounded to fp32 after each operation, as PyTorch does: angles reach 1000, where a bit of a frequency shows.
void Conditioning::timestep_features(const nn::TimestepEmbedding& c, float t, float* out) const {
  const int64_t half = c.dim / 2;
  const auto scale = static_cast<float>(-std::log(c.max_period));
  const auto span = static_cast<float>(static_cast<double>(half) - c.freq_shift);
  float* sine = out + (c.flip_sin_to_cos ? half : 0);
  float* cosine = out + (c.flip_sin_to_cos ? 0 : half);
  for (int64_t i = 0; i < half; ++i) {
    const float angle = t * std::exp(static_cast<float>(i) * scale / span);
    sine[i] = std::sin(angle);
    cosine[i] = std::cos(angle);
  }
  if (c.dim % 2 == 1) out[c.dim - 1] = 0;
}

}  // namespace langevin::runtime
