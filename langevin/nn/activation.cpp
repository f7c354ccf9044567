#include "langevin/nn/activation.h"

#include <algorithm>
#include <vector>

#include "langevin/core/names.h"

namespace langevin::nn {
namespace {

/// In the order of the enumeration.
const std::vector<std::string>& names() {
  static const std::vector<std::string> all{"silu", "mish", "gelu", "relu"};
  return all;
}

}  // namespace

std::string activation_name(Activation activation) { return names().at(static_cast<size_t>(activation)); }

Activation activation_from_name(const std::string& name, const std::string& source, const std::string& key) {
  const auto it = std::find(names().begin(), names().end(), name == "swish" ? "silu" : name);
  check(it != names().end(), source, "{}: {}", key, unknown_name("activation", name, names()));
  return static_cast<Activation>(it - names().begin());
}

}  // namespace langevin::nn
