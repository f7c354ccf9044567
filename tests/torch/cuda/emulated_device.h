// The wing on an emulated GPU: this program has its own has_cuda_kernels(), kernels and CudaGraph, which take
// the places of the library's (the dynamic linker asks the program first), so that the CPU's tensors go the
// way that a GPU's would: differentiable functions, optimizer, noise and recorded passes, over the kernels of
// kernels/cuda as kernels/cuda/emulation.h runs them.
#pragma once

namespace langevin::test {

/// While it lives, CPU tensors count as a GPU's.
struct EmulatedGpu {
  EmulatedGpu();
  ~EmulatedGpu();
};

/// How many CudaGraphs were made so far.
int graphs_recorded();

}  // namespace langevin::test
