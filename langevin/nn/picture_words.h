// The words of networks that classify pictures and came trained (inception_v3.h): inference alone.
#pragma once

#include "langevin/nn/vocabulary.h"

namespace langevin::nn {

/// Convolution without bias, batch normalisation by stored statistics, ReLU.
struct ConvNorm {
  int64_t out = 0;
  int64_t kernel_h = 1, kernel_w = 1;
  int64_t stride = 1;
  int64_t pad_h = 0, pad_w = 0;  // on both sides
  double eps = 1e-3;
};

/// A square window that moves over the picture; what lies in the padding does not count.
struct Pool {
  int64_t kernel = 3;
  int64_t stride = 1;
  int64_t padding = 0;
};

template <class B>
concept ClassifyingInterpreter = requires(B b, typename B::Value v, std::string_view name, int64_t n) {
  b.scope(name);  // RAII: names within nest
  // name.conv.weight (O,I,h,w); name.bn.weight, .bias, .running_mean, .running_var (O)
  { b.conv2d_norm_relu(v, name, ConvNorm{}) } -> std::same_as<typename B::Value>;
  { b.max_pool2d(v, Pool{}) } -> std::same_as<typename B::Value>;
  { b.mean_pool2d(v, Pool{}) } -> std::same_as<typename B::Value>;
  { b.concat(v, v) } -> std::same_as<typename B::Value>;
  { b.mean_positions(v) } -> std::same_as<typename B::Value>;
  { b.linear(v, name, Linear{}) } -> std::same_as<typename B::Value>;
};

/// (N,C,H,W) -> (N,out,...); Error if x is no picture or too small.
inline Shape conv_norm_shape(const Shape& x, const ConvNorm& c, const std::string& name) {
  check(x.size() == 4, name, "conv2d_norm_relu needs (N,C,H,W), got {}", to_string(x));
  const Conv rows{c.out, c.kernel_h, c.stride, c.pad_h, c.pad_h},
      cols{c.out, c.kernel_w, c.stride, c.pad_w, c.pad_w};
  return {x[0], c.out, conv_extent(x[2], rows, name), conv_extent(x[3], cols, name)};
}

inline Shape pool_shape(const Shape& x, const Pool& c, const std::string& name) {
  check(x.size() == 4, name, "pooling needs (N,C,H,W), got {}", to_string(x));
  const Conv window{x[1], c.kernel, c.stride, c.padding, c.padding};
  return {x[0], x[1], conv_extent(x[2], window, name), conv_extent(x[3], window, name)};
}

}  // namespace langevin::nn
