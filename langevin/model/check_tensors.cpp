#include "langevin/model/check_tensors.h"

#include <set>

#include "langevin/core/names.h"

namespace langevin {

void check_tensors(const TensorSet& tensors, const std::vector<nn::ParameterSpec>& parameters) {
  const std::string& source = tensors.source();
  std::set<std::string> wanted;
  for (const auto& p : parameters) {
    wanted.insert(p.name);
    check(tensors.contains(p.name), source,
          "the network needs tensor '{}' {}, the file has none of that name", p.name, to_string(p.shape));
    const TensorView& tensor = tensors.at(p.name);
    check(tensor.shape == p.shape, source, "tensor '{}' is {} in the file, the network needs {}", p.name,
          to_string(tensor.shape), to_string(p.shape));
    check(is_floating(tensor.dtype), source, "tensor '{}' holds {}, expected floating-point numbers", p.name,
          to_string(tensor.dtype));
  }
  for (const std::string& name : tensors.names()) {
    check(wanted.count(name) != 0, source, "tensor '{}' belongs to no part of the network described",
          one_line(name));
  }
}

}  // namespace langevin
