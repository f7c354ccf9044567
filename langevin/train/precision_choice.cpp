#include "langevin/train/precision_choice.h"

#include "langevin/kernels/processor.h"

namespace langevin {

Precision choose_precision(const std::string& name, at::Device device) {
  if (name != "auto") return precision_from_name(name);
  return !device.is_cpu() || has_fast_bf16() ? Precision::bf16 : Precision::fp32;
}

}  // namespace langevin
