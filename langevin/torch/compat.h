// The one place that knows which libtorch it is built with (1.13 to 2.x) and which few headers of it are
// needed. torch/torch.h is never included: it costs 15 s a file.
#pragma once

// First: clang with C++20 needs IValue whole before the headers of lists that ATen.h begins with.
#include <ATen/core/ivalue.h>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/version.h>

#include <cmath>

#include "langevin/core/array.h"

namespace langevin {

inline at::IntArrayRef sizes(const Shape& shape) { return {shape.data(), shape.size()}; }
inline Shape shape_of_tensor(const at::Tensor& tensor) { return tensor.sizes().vec(); }

/// softmax(q k^T / sqrt(d)) v of (N,heads,L,d) tensors on a GPU, without gradients.
#if TORCH_VERSION_MAJOR >= 2
inline at::Tensor attention_on_gpu(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  return at::scaled_dot_product_attention(q, k, v);
}
#else
inline at::Tensor attention_on_gpu(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(q.size(3)));
  return at::matmul(at::softmax(at::matmul(q * scale, k.transpose(2, 3)), -1), v);
}
#endif

/// Runs f; an error of libtorch becomes one of ours: its first line, without the stack.
template <class F>
auto with_own_errors(F&& f) {
  try {
    return f();
  } catch (const c10::Error& e) {
    const std::string text = e.what_without_backtrace();
    throw Error("libtorch: " + text.substr(0, text.find('\n')));
  }
}

}  // namespace langevin
