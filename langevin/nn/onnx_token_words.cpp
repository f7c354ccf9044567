// The ONNX interpreter's words of transformers.
#include <cmath>
#include <limits>

#include "langevin/nn/onnx_interpreter.h"

namespace langevin::nn {

using Value = OnnxInterpreter::Value;

std::string OnnxInterpreter::sliced(const std::string& x, int64_t axis, int64_t first, int64_t count) {
  return node("Slice", {x, integers({first}), integers({first + count}), integers({axis})});
}

Value OnnxInterpreter::layer_norm(const Value& x, std::string_view name, const LayerNorm& c) {
  Shape shape = cost_.layer_norm(x.shape, name, c);
  const std::string path = path_.join(name);
  return {node("LayerNormalization", {x.name, path + ".weight", path + ".bias"},
               {{"axis", int64_t{-1}}, {"epsilon", static_cast<float>(c.eps)}}),
          std::move(shape)};
}

Value OnnxInterpreter::packed_linear(const Value& x, std::string_view name, const PackedLinear& c) {
  Shape shape = cost_.packed_linear(x.shape, name, c);
  const std::string path = path_.join(name);
  const std::string weight = sliced(path + "_weight", 0, c.first, c.out),
                    bias = sliced(path + "_bias", 0, c.first, c.out);
  return {product(x.name, x.shape.size(), weight, bias), std::move(shape)};
}

Value OnnxInterpreter::add_positions(const Value& x, std::string_view name, const Positions& c) {
  Shape shape = cost_.add_positions(x.shape, name, c);
  const std::string table = path_.join(name);
  return {plus(x.name, x.shape[1] == c.count ? table : sliced(table, 1, 0, x.shape[1])), std::move(shape)};
}

Value OnnxInterpreter::masked_attention(const Value& q, const Value& k, const Value& v,
                                        const MaskedAttention& c) {
  Shape shape = cost_.masked_attention(q.shape, k.shape, v.shape, c);
  if (!c.ahead) return {attended(q, k, v, c.heads, ""), std::move(shape)};
  const int64_t queries = q.shape[1], keys = k.shape[1];
  std::vector<float> mask(static_cast<size_t>(queries * keys), 0.0F);
  for (int64_t t = 0; t < queries; ++t) {
    for (int64_t s = t + *c.ahead + 1; s < keys; ++s)
      mask[static_cast<size_t>(t * keys + s)] = -std::numeric_limits<float>::infinity();
  }
  const std::string name = constant(fmt::format("mask {} x {}, {} ahead", queries, keys, *c.ahead),
                                    {queries, keys}, std::move(mask));
  return {attended(q, k, v, c.heads, name), std::move(shape)};
}

/// Phi through the error function: operator set 17 has no Gelu.
std::string OnnxInterpreter::gelu_of(const std::string& x) {
  const std::string phi2 = plus(node("Erf", {times(x, number(std::sqrt(0.5)))}), number(1));
  return times(times(x, number(0.5)), phi2);
}

Value OnnxInterpreter::gelu(const Value& x) { return {gelu_of(x.name), x.shape}; }

Value OnnxInterpreter::geglu(const Value& x) {
  Shape shape = cost_.geglu(x.shape);
  const Halves halves = split(x, static_cast<int64_t>(x.shape.size()) - 1);
  return {times(halves.first, gelu_of(halves.second)), std::move(shape)};
}

Value OnnxInterpreter::relu(const Value& x) { return {node("Relu", {x.name}), x.shape}; }

Value OnnxInterpreter::clamp(const Value& x, double low, double high) {
  return {node("Clip", {x.name, number(low), number(high)}), x.shape};
}

Value OnnxInterpreter::slice(const Value& x, int64_t first, int64_t count) {
  Shape shape = cost_.slice(x.shape, first, count);
  return {sliced(x.name, 1, first, count), std::move(shape)};
}

Value OnnxInterpreter::channels_first(const Value& x) {
  Shape shape = cost_.channels_first(x.shape);
  return {transposed(x.name, {0, 2, 1}), std::move(shape)};
}

}  // namespace langevin::nn
