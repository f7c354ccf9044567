// The activation functions that configurations choose from by name.
#pragma once

#include <string>

#include "langevin/nn/vocabulary.h"

namespace langevin::nn {

enum class Activation { silu, mish, gelu, relu };

std::string activation_name(Activation activation);
/// "silu" or "swish", "mish", "gelu", "relu"; Error names `source`, `key` and what is known.
Activation activation_from_name(const std::string& name, const std::string& source, const std::string& key);

template <class B>
typename B::Value activate(B& b, Activation activation, typename B::Value x) {
  if (activation == Activation::silu) return b.silu(x);
  if constexpr (Interpreter<B>) {
    if (activation == Activation::mish) return b.mish(x);
    return activation == Activation::gelu ? b.gelu(x) : b.relu(x);
  } else {
    fail("activation: {} is not among the operators of this backend; use --backend torch",
         activation_name(activation));
  }
}

}  // namespace langevin::nn
