// From libtorch's tensors to oneDNN's memory: for the operators here that call oneDNN themselves.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include "langevin/torch/compat.h"

namespace langevin {

/// The tensor's sizes, strides and type; fp32 and bf16 alone.
inline dnnl::memory::desc describe(const at::Tensor& t) {
  const auto type =
      t.scalar_type() == at::kBFloat16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
  return {t.sizes().vec(), type, t.strides().vec()};
}

}  // namespace langevin
