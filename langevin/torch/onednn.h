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

/// Whether this processor has the vectors that oneDNN's fast kernels want; called with a CPU tensor's type.
inline bool has_avx512() {
  const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  const auto needed = static_cast<unsigned>(dnnl::cpu_isa::avx512_core);
  return (isa & needed) == needed;
}

}  // namespace langevin
