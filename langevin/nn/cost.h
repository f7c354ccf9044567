// The cost interpreter: a network applied to shapes. It lists every parameter (name, shape, initialiser) and
// counts floating-point operations, without computing anything; `inspect`, file checks and benches stand on
// it.
#pragma once

#include <string>
#include <vector>

#include "langevin/nn/vocabulary.h"

namespace langevin::nn {

/// A parameter as its operator asked for it. fan_in and fan_out are counted as variance scaling does.
struct ParameterSpec {
  std::string name;
  Shape shape;
  Init init;
};

/// One operator as it was called. flops: two per multiply-add of convolutions, linears and attention; the
/// rest, bandwidth-bound, counts nothing, as in the field.
struct CostRow {
  std::string path;  // scope and name
  std::string op;
  Shape output;
  int64_t parameters = 0;
  double flops = 0;
};

class CostInterpreter {
 public:
  using Value = Shape;
  ScopePath::Guard scope(std::string_view name) { return path_.enter(name); }
  Shape shape(const Value& v) const { return v; }

  Value conv2d(const Value& x, std::string_view name, const Conv2d& c);
  Value conv1d(const Value& x, std::string_view name, const Conv1d& c);
  Value conv_transpose1d(const Value& x, std::string_view name, const ConvTranspose1d& c);
  Value linear(const Value& x, std::string_view name, const Linear& c);
  Value group_norm(const Value& x, std::string_view name, const GroupNorm& c);
  Value group_norm_modulated(const Value& x, const Value& scale_shift, std::string_view name,
                             const GroupNorm& c);
  Value embedding(const Value& ids, std::string_view name, int64_t count, int64_t dim);
  Value timestep_embedding(const Value& t, const TimestepEmbedding& c);
  Value silu(const Value& x) { return x; }
  Value mish(const Value& x) { return x; }
  Value dropout(const Value& x, double) { return x; }
  Value affine(const Value& x, double, double) { return x; }
  Value add(const Value& x, const Value& y);
  Value add_channels(const Value& x, const Value& bias);
  Value film(const Value& x, const Value& scale_bias);
  Value concat(const Value& x, const Value& y);
  Value upsample_nearest(const Value& x, int64_t height, int64_t width);
  Value mean_positions(const Value& x) { return {x.at(0), x.at(1)}; }
  Value to_tokens(const Value& x);
  Value from_tokens(const Value& x, int64_t height, int64_t width);
  Value attention(const Value& q, const Value& k, const Value& v, int64_t heads);
  Value layer_norm(const Value& x, std::string_view name, const LayerNorm& c);
  Value packed_linear(const Value& x, std::string_view name, const PackedLinear& c);
  Value add_positions(const Value& x, std::string_view name, const Positions& c);
  Value masked_attention(const Value& q, const Value& k, const Value& v, const MaskedAttention& c);
  Value gelu(const Value& x) { return x; }
  Value geglu(const Value& x);
  Value relu(const Value& x) { return x; }
  Value clamp(const Value& x, double, double) { return x; }
  Value slice(const Value& x, int64_t first, int64_t count);
  Value channels_first(const Value& x);
  Value flatten(const Value& x);
  Value unflatten(const Value& x, const Shape& shape);

  const std::vector<CostRow>& rows() const { return rows_; }
  const std::vector<ParameterSpec>& parameters() const { return parameters_; }
  int64_t parameter_count() const;
  double flops() const;
  /// Rows summed by the first `depth` parts of their path, in order; the output is the block's last.
  std::vector<CostRow> by_block(int depth) const;

 private:
  void add_parameter(const std::string& name, Shape shape, Init init);
  Value convolution(const Value& x, std::string_view name, const Conv& c, const char* op, size_t axes);
  ScopePath path_;
  std::vector<CostRow> rows_;
  std::vector<ParameterSpec> parameters_;
};

static_assert(Interpreter<CostInterpreter> && DenseInterpreter<CostInterpreter>);

}  // namespace langevin::nn
