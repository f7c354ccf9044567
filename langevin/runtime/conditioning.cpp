#include "langevin/runtime/conditioning.h"

#include <algorithm>
#include <cmath>

#include "langevin/kernels/rows.h"

namespace langevin::runtime {
namespace {

constexpr int64_t kCacheFloats = int64_t{16} << 20;  // 64 MiB of rows

}  // namespace

Conditioning::Conditioning(const Graph& graph, Weights& weights) : graph_(graph), weights_(weights) {
  const std::vector<bool> trunk = graph.from_image();
  values_.resize(graph.nodes.size());
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (trunk[i]) {
      for (int input : node.inputs) {
        if (trunk[static_cast<size_t>(input)] || offsets_.count(input) != 0) continue;
        offsets_[input] = width_;
        width_ += graph.nodes[static_cast<size_t>(input)].shape.back();
      }
    } else if (node.op != Op::timesteps && node.op != Op::labels) {
      check(node.shape.size() == 2, "runtime", "{} {} of the conditioning is not a row",
            runtime::to_string(node.op), node.name);
      order_.push_back(static_cast<int>(i));
      values_[i].resize(static_cast<size_t>(node.shape.back()));
    }
  }
}

int64_t Conditioning::offset(int node) const {
  const auto it = offsets_.find(node);
  check(it != offsets_.end(), "Conditioning", "node {} is no part of a row", node);
  return it->second;
}

const float* Conditioning::row(double t, int64_t label) {
  const std::pair<double, int64_t> key{t, graph_.labels < 0 ? -1 : label};
  const auto found = rows_.find(key);
  if (found != rows_.end()) return found->second.data();
  const int64_t limit = std::max<int64_t>(1, kCacheFloats / std::max<int64_t>(1, width_));
  if (static_cast<int64_t>(rows_.size()) >= limit) rows_.clear();
  compute(static_cast<float>(t), key.second);
  std::vector<float> row(static_cast<size_t>(width_));
  for (const auto& [node, offset] : offsets_)
    std::copy(values_[static_cast<size_t>(node)].begin(), values_[static_cast<size_t>(node)].end(),
              row.begin() + offset);
  return rows_.emplace(key, std::move(row)).first->second.data();
}

void Conditioning::compute(float t, int64_t label) {
  for (int index : order_) compute_node(index, t, label);
  ++computed_;
}

void Conditioning::compute_node(int index, float t, int64_t label) {
  const Node& node = graph_.nodes[static_cast<size_t>(index)];
  std::vector<float>& y = values_[static_cast<size_t>(index)];
  const auto width = static_cast<int64_t>(y.size());
  const auto input = [&](size_t i) { return values_[static_cast<size_t>(node.inputs.at(i))].data(); };
  switch (node.op) {
    case Op::timestep_embedding:
      return timestep_features(std::get<nn::TimestepEmbedding>(node.attributes), t, y.data());
    case Op::linear: {
      const int64_t in = graph_.nodes[static_cast<size_t>(node.inputs.at(0))].shape.back();
      const bool bias = std::get<nn::Linear>(node.attributes).bias;
      return linear_row({input(0), weights_.floats(node.name + ".weight", in * width).data(),
                         bias ? weights_.floats(node.name + ".bias", width).data() : nullptr, y.data(), in,
                         width});
    }
    case Op::embedding: {
      const auto& e = std::get<Embedding>(node.attributes);
      check(label >= 0 && label < e.count, node.name, "there is no row {} among {}", label, e.count);
      const auto table = weights_.floats(node.name + ".weight", e.count * e.dim);
      std::copy_n(table.begin() + label * e.dim, e.dim, y.begin());
      return;
    }
    case Op::silu:
      return langevin::silu(input(0), y.data(), width);
    case Op::add:
      return blend({input(0), input(1), y.data(), width});
    case Op::affine: {
      const auto& a = std::get<Affine>(node.attributes);
      return blend(
          {input(0), nullptr, y.data(), width, static_cast<float>(a.scale), 0, static_cast<float>(a.offset)});
    }
    default:
      fail("runtime: {} of timestep and class alone is not supported; use --backend torch",
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
