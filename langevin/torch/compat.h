// The one place that knows which libtorch it is built with (1.13 to 2.x) and which few headers of it are
// needed. torch/torch.h is never included: it costs 15 s a file.
#pragma once

// First: clang with C++20 needs IValue whole before the headers of lists that ATen.h begins with.
#include <ATen/core/ivalue.h>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/variable.h>

#include "langevin/core/array.h"

namespace langevin {

inline at::IntArrayRef sizes(const Shape& shape) { return {shape.data(), shape.size()}; }
inline Shape shape_of_tensor(const at::Tensor& tensor) { return tensor.sizes().vec(); }

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
