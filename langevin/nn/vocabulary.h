// The operator vocabulary (contract 1): what a network may say. A network is a template over an interpreter B
// and is written once; B gives the words meaning: torch/ computes with autograd, nn/cost.h counts, later
// interpreters record an inference plan or write ONNX.
//
//   template <class B> typename B::Value unet2d(B& b, const UNet2DConfig&, const Inputs<typename B::Value>&);
//
// Images are logically (N,C,H,W), trajectories (N,C,L), token sequences (N,L,C), vectors (N,C); (N,C,...)
// below is any of the first two or a vector: channels second. Every operator that owns parameters takes its
// name within the current scope; the full name ("down_blocks.0.resnets.1.conv1.weight") is the peer's.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "langevin/core/array.h"

namespace langevin::nn {

/// How a parameter starts. fan_avg: variance scaling of DDPM, U(-b, b) with b = sqrt(3 scale /
/// ((fan_in+fan_out)/2)).
struct Init {
  enum class Kind { zeros, ones, fan_avg, normal } kind = Kind::fan_avg;
  double scale = 1.0;  // fan_avg: variance scale; normal: standard deviation
};
inline constexpr Init init_zeros{Init::Kind::zeros, 0.0};
inline constexpr Init init_ones{Init::Kind::ones, 0.0};
inline constexpr Init init_default{Init::Kind::fan_avg, 1.0};

/// Convolution, the same along every axis; padding per side because DDPM's downsampling pads only right and
/// bottom.
struct Conv {
  int64_t out = 0;
  int64_t kernel = 3;
  int64_t stride = 1;
  int64_t pad_before = 1, pad_after = 1;  // top and left, bottom and right
  Init init = init_default;
};
using Conv1d = Conv;
using Conv2d = Conv;

/// Transposed convolution: an extent L becomes (L - 1) stride - 2 padding + kernel.
struct ConvTranspose1d {
  int64_t out = 0;
  int64_t kernel = 4;
  int64_t stride = 2;
  int64_t padding = 1;
  Init init = init_default;
};

/// y = x W^T + b over the last dimension.
struct Linear {
  int64_t out = 0;
  bool bias = true;
  Init init = init_default;
};

/// A linear map whose parameters are rows first .. first + out - 1 of `name`_weight (total, I) and
/// `name`_bias (total): torch's MultiheadAttention packs those of q, k and v so ("in_proj").
struct PackedLinear {
  int64_t out = 0;
  int64_t first = 0, total = 0;
  Init init = init_default;
};

/// LayerNorm over the last dimension.
struct LayerNorm {
  double eps = 1e-5;
};

/// A learned table (1, count, C), its first L rows added to tokens (N,L,C), L <= count.
struct Positions {
  int64_t count = 0;
  Init init = {Init::Kind::normal, 0.02};
};

/// Attention of which some may be hidden: the query at t sees the keys at s <= t + ahead, all of them where
/// `ahead` is absent. Causal: 0. In training `dropout` of the weights is dropped.
struct MaskedAttention {
  int64_t heads = 1;
  std::optional<int64_t> ahead = {};
  double dropout = 0;
};

/// GroupNorm over (C / groups, ...), then SiLU if asked.
struct GroupNorm {
  int64_t groups = 32;
  double eps = 1e-5;
  bool silu = false;
};

/// Sinusoidal features of t: frequencies exp(-ln(max_period) i / (dim/2 - freq_shift)); [sin, cos] or [cos,
/// sin].
struct TimestepEmbedding {
  int64_t dim = 0;
  bool flip_sin_to_cos = false;
  double freq_shift = 1.0;
  double max_period = 10000.0;
};

/// What a network is given. Absent conditions are nullptr; from global_cond on they are those of
/// diffusion/conditions.h.
template <class V>
struct Inputs {
  const V& x;                        // (N,C,H,W) or (N,C,L)
  const V& t;                        // (N), timestep of each sample
  const V* class_labels = nullptr;   // (N), integers
  const V* global_cond = nullptr;    // (N,D), what the whole sample is conditioned on: observations
  const V* context = nullptr;        // (N,S,D), tokens to attend to: an encoded text, observations in turn
  const V* class_vectors = nullptr;  // (N,D), a class as a vector; (N,1) where it is a number
  const V* text_embeds = nullptr;    // (N,D), a text as one vector
  const V* time_ids = nullptr;       // (N,K), numbers embedded as timesteps are: picture sizes and crops
  const V* timestep_cond = nullptr;  // (N,D), an embedding of the guidance scale
};

/// The words of networks for pictures. `Value` is cheap to copy (a handle).
template <class B>
concept ImageInterpreter = requires(B b, typename B::Value v, std::string_view name, int64_t n) {
  b.scope(name);  // RAII: names within nest
  { b.shape(v) } -> std::convertible_to<Shape>;
  { b.conv2d(v, name, Conv2d{}) } -> std::same_as<typename B::Value>;         // weight (O,I,k,k), bias (O)
  { b.linear(v, name, Linear{}) } -> std::same_as<typename B::Value>;         // weight (O,I), bias (O)
  { b.group_norm(v, name, GroupNorm{}) } -> std::same_as<typename B::Value>;  // (N,C,...); weight, bias (C)
  {
    b.group_norm_modulated(v, v, name, GroupNorm{})
    } -> std::same_as<typename B::Value>;  // norm(x)(1+scale)+shift; (N,2C)
  {
    b.embedding(v, name, n, n)
    } -> std::same_as<typename B::Value>;  // ids (N) -> (N, dim); weight (num, dim)
  { b.timestep_embedding(v, TimestepEmbedding{}) } -> std::same_as<typename B::Value>;  // (N) -> (N, dim)
  { b.silu(v) } -> std::same_as<typename B::Value>;                                     // x sigmoid(x)
  { b.dropout(v, 0.1) } -> std::same_as<typename B::Value>;
  { b.affine(v, 2.0, -1.0) } -> std::same_as<typename B::Value>;  // a x + b
  { b.add(v, v) } -> std::same_as<typename B::Value>;
  { b.add_channels(v, v) } -> std::same_as<typename B::Value>;  // (N,C,...) + (N,C)
  {
    b.concat(v, v)
    } -> std::same_as<typename B::Value>;  // along the second axis: channels, or tokens of (N,L,C)
  { b.upsample_nearest(v, n, n) } -> std::same_as<typename B::Value>;  // to (H,W)
  { b.mean_positions(v) } -> std::same_as<typename B::Value>;          // (N,C,...) -> (N,C)
  { b.to_tokens(v) } -> std::same_as<typename B::Value>;               // (N,C,H,W) -> (N,HW,C)
  { b.from_tokens(v, n, n) } -> std::same_as<typename B::Value>;       // (N,HW,C) -> (N,C,H,W)
  {
    b.attention(v, v, v, n)
    } -> std::same_as<typename B::Value>;  // q,k,v (N,L,C), heads; softmax(qk^T/sqrt(d))v
};

/// The words of networks for trajectories.
template <class B>
concept SequenceInterpreter = ImageInterpreter<B> &&
    requires(B b, typename B::Value v, std::string_view name) {
  { b.conv1d(v, name, Conv1d{}) } -> std::same_as<typename B::Value>;  // weight (O,I,k), bias (O)
  {
    b.conv_transpose1d(v, name, ConvTranspose1d{})
    } -> std::same_as<typename B::Value>;               // weight (I,O,k), bias (O)
  { b.mish(v) } -> std::same_as<typename B::Value>;     // x tanh(ln(1 + e^x))
  { b.film(v, v) } -> std::same_as<typename B::Value>;  // scale x + bias; (N,C,...), (N,2C)
};

/// The words of transformers and of what surrounds them. Here to_tokens takes vectors (N,C) -> (N,1,C) and
/// trajectories (N,C,L) -> (N,L,C) too, and timestep_embedding (N,K) -> (N, K dim).
template <class B>
concept TokenInterpreter = ImageInterpreter<B> &&
    requires(B b, typename B::Value v, std::string_view name, int64_t n) {
  { b.layer_norm(v, name, LayerNorm{}) } -> std::same_as<typename B::Value>;        // weight, bias (C)
  { b.packed_linear(v, name, PackedLinear{}) } -> std::same_as<typename B::Value>;  // (..., I) -> (..., O)
  { b.add_positions(v, name, Positions{}) } -> std::same_as<typename B::Value>;     // tokens + `name` (1,M,C)
  { b.masked_attention(v, v, v, MaskedAttention{}) } -> std::same_as<typename B::Value>;  // as attention
  { b.gelu(v) } -> std::same_as<typename B::Value>;   // x Phi(x), Phi the normal distribution's: 1606.08415
  { b.geglu(v) } -> std::same_as<typename B::Value>;  // (..., 2C) -> a gelu(g) of its halves a, g: 2002.05202
  { b.relu(v) } -> std::same_as<typename B::Value>;   // max(x, 0)
  { b.clamp(v, -1.0, 1.0) } -> std::same_as<typename B::Value>;
  { b.slice(v, n, n) } -> std::same_as<typename B::Value>;     // along the second axis: from, how many
  { b.channels_first(v) } -> std::same_as<typename B::Value>;  // (N,L,C) -> (N,C,L)
};

/// The words of dense networks on whole pictures.
template <class B>
concept DenseInterpreter = TokenInterpreter<B> && requires(B b, typename B::Value v, const Shape& shape) {
  { b.flatten(v) } -> std::same_as<typename B::Value>;           // (N,...) -> (N,D), in the order of memory
  { b.unflatten(v, shape) } -> std::same_as<typename B::Value>;  // (N,D) -> (N, shape)
};

/// All words of networks that every backend may be asked for.
template <class B>
concept Interpreter = SequenceInterpreter<B> && TokenInterpreter<B>;

/// f(b, inputs...) as one unit. An interpreter that trains may drop the values inside and compute them again
/// for the gradient (it then has a member `block`): f must hold by value, or by pointer to the configuration,
/// all it needs.
template <class B, class F, class... V>
typename B::Value block(B& b, F f, const V&... inputs) {
  if constexpr (requires { b.block(f, inputs...); }) {
    return b.block(f, inputs...);
  } else {
    return f(b, inputs...);
  }
}

/// The path of nested scopes; interpreters hold one.
class ScopePath {
 public:
  class Guard {
   public:
    Guard(ScopePath& path, size_t keep) : path_(path), keep_(keep) {}
    ~Guard() { path_.text_.resize(keep_); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    ScopePath& path_;
    size_t keep_;
  };
  [[nodiscard]] Guard enter(std::string_view name) {
    const size_t keep = text_.size();
    text_ = join(name);
    return {*this, keep};
  }
  std::string join(std::string_view name) const {
    return text_.empty() ? std::string(name) : text_ + "." + std::string(name);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// Output extent of a convolution; Error if the input is too small.
inline int64_t conv_extent(int64_t in, const Conv& c, const std::string& name) {
  const int64_t span = in + c.pad_before + c.pad_after - c.kernel;
  check(span >= 0, name, "an extent of {} is too small for this network; use fewer stages or larger images",
        in);
  return span / c.stride + 1;
}

/// (N,C,...) -> (N,L,C), L the product of what follows the channels.
inline Shape tokens_shape(const Shape& x, const std::string& name) {
  check(x.size() >= 2, name, "to_tokens needs (N,C), (N,C,L) or (N,C,H,W), got {}", to_string(x));
  return {x[0], element_count(Shape(x.begin() + 2, x.end())), x[1]};
}

inline int64_t conv_transpose_extent(int64_t in, const ConvTranspose1d& c) {
  return (in - 1) * c.stride - 2 * c.padding + c.kernel;
}

}  // namespace langevin::nn
