// The libtorch interpreter of the operator vocabulary: autograd, CPU and CUDA, fp32 or bf16 with fp32 sums.
// Activations are channels-last in memory; on the CPU the operators around the convolutions are those of
// kernels/.
#pragma once

#include <memory>
#include <utility>

#include "langevin/nn/network.h"
#include "langevin/torch/parameters.h"
#include "langevin/torch/recompute.h"
#include "langevin/torch/value.h"

namespace langevin {

/// What a call of a network needs beside its inputs.
struct CallContext {
  bool training = false;  // dropout on
  uint64_t seed = 0;      // of dropout
  uint32_t step = 0;      // of dropout
  uint64_t first_sample =
      0;  // global index of the batch's first sample: dropout does not depend on the batch size
  bool recompute = false;  // compute the inside of blocks again for the gradient: memory for time
  at::Tensor moment = {};  // first_sample and step for a recorded graph: DropoutPlace (fused.h)
};

class TorchInterpreter {
 public:
  using Value = TorchValue;
  /// On an unpacked store the call creates parameters, on a packed one it applies them.
  TorchInterpreter(ParameterStore& store, const CallContext& context) : store_(store), context_(context) {}

  nn::ScopePath::Guard scope(std::string_view name) { return path_.enter(name); }
  Shape shape(const Value& v) const { return shape_of_tensor(v.trunk()); }

  Value conv2d(const Value& x, std::string_view name, const nn::Conv2d& c);
  Value conv1d(const Value& x, std::string_view name, const nn::Conv1d& c);
  Value conv_transpose1d(const Value& x, std::string_view name, const nn::ConvTranspose1d& c);
  Value linear(const Value& x, std::string_view name, const nn::Linear& c);
  Value group_norm(const Value& x, std::string_view name, const nn::GroupNorm& c);
  Value group_norm_modulated(const Value& x, const Value& scale_shift, std::string_view name,
                             const nn::GroupNorm& c);
  Value embedding(const Value& ids, std::string_view name, int64_t count, int64_t dim);
  Value timestep_embedding(const Value& t, const nn::TimestepEmbedding& c);
  Value silu(const Value& x);
  Value mish(const Value& x);
  Value dropout(const Value& x, double p);
  Value affine(const Value& x, double a, double b);
  Value add(const Value& x, const Value& y);
  Value add_channels(const Value& x, const Value& bias);
  Value film(const Value& x, const Value& scale_bias);
  Value concat(const Value& x, const Value& y);
  Value upsample_nearest(const Value& x, int64_t height, int64_t width);
  Value mean_positions(const Value& x);
  Value to_tokens(const Value& x);
  Value from_tokens(const Value& x, int64_t height, int64_t width);
  Value attention(const Value& q, const Value& k, const Value& v, int64_t heads);
  Value layer_norm(const Value& x, std::string_view name, const nn::LayerNorm& c);
  Value packed_linear(const Value& x, std::string_view name, const nn::PackedLinear& c);
  Value add_positions(const Value& x, std::string_view name, const nn::Positions& c);
  Value masked_attention(const Value& q, const Value& k, const Value& v, const nn::MaskedAttention& c);
  Value gelu(const Value& x);
  Value geglu(const Value& x);
  Value relu(const Value& x);
  Value clamp(const Value& x, double lo, double hi);
  Value slice(const Value& x, int64_t first, int64_t count);
  Value channels_first(const Value& x);
  Value flatten(const Value& x);
  Value unflatten(const Value& x, const Shape& shape);

  /// See nn::block. The second time the inside has the same scopes and dropout masks.
  template <class F, class... V>
  Value block(F f, const V&... inputs) {
    if (!context_.recompute || !store_.packed() || !at::GradMode::is_enabled()) return f(*this, inputs...);
    const auto layers = std::make_shared<uint32_t>(0);
    const TensorFunction function = [start = *this, layers, f](const std::vector<at::Tensor>& values) {
      TorchInterpreter again = start;
      const Value y = apply_to(again, f, values, std::make_index_sequence<sizeof...(V)>());
      *layers = again.dropout_layer_;
      return y.tensor();
    };
    const Value y = recomputed(function, {inputs.tensor()...});
    dropout_layer_ = *layers;
    return y;
  }

 private:
  template <class F, size_t... I>
  static Value apply_to(TorchInterpreter& b, const F& f, const std::vector<at::Tensor>& values,
                        std::index_sequence<I...>) {
    return f(b, Value(values[I])...);
  }
  DropoutPlace place_of(uint32_t layer) const;
  at::ScalarType compute_type() const;
  at::Tensor cast(const at::Tensor& x) const;  // to the compute type
  const at::Tensor& parameter(std::string_view name, const char* part, const Shape& shape, nn::Init init,
                              bool keep_fp32 = false);
  /// A value that is cheap to compute again: what reads it next need not keep it for its gradient.
  at::Tensor remember(const at::Tensor& value, const Again& again);
  Again again(const at::Tensor& x);  // empty unless x is what was remembered last

  struct Remembered {
    at::Tensor value;
    Again again;
  };
  ParameterStore& store_;
  CallContext context_;
  nn::ScopePath path_;
  uint32_t dropout_layer_ = 0;
  Remembered last_;
};

static_assert(nn::Interpreter<TorchInterpreter> && nn::DenseInterpreter<TorchInterpreter>);

/// What a call of a network is conditioned on; undefined: absent.
struct TorchConditions {
  at::Tensor class_labels = {};  // (N) int64
  // fp32; shapes as in nn::Inputs
  at::Tensor global_cond = {}, context = {}, class_vectors = {}, text_embeds = {}, time_ids = {},
             timestep_cond = {};
};

/// A network with its parameters, ready to be called.
class TorchNetwork {
 public:
  /// Creates all parameters (first pass over a batch of one).
  TorchNetwork(nn::NetworkConfig config, Precision precision, at::Device device, uint64_t seed,
               bool training);

  /// x (N,C,H,W) or (N,C,L) fp32, t (N) fp32 -> the same with the network's output channels, fp32.
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& t, const TorchConditions& cond,
                        const CallContext& context);

  /// Of a classifier, Error of another: what its last layer sees (N,D), fp32.
  at::Tensor features(const at::Tensor& x, const at::Tensor& t, const CallContext& context);

  /// Of an autoencoder, Error of another: x (N,C,H,W) fp32 -> its latents' Gaussian, z (N,latent,h,w) fp32 ->
  /// a picture; fp32.
  nn::LatentGaussian<at::Tensor> encode(const at::Tensor& x, const CallContext& context);
  at::Tensor decode(const at::Tensor& z, const CallContext& context);

  ParameterStore& store() { return store_; }
  const ParameterStore& store() const { return store_; }
  const nn::NetworkConfig& config() const { return config_; }

 private:
  at::Tensor run(const at::Tensor& x, const at::Tensor& t, const TorchConditions& cond,
                 const CallContext& context);
  nn::NetworkConfig config_;
  ParameterStore store_;
};

}  // namespace langevin
