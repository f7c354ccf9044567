// What a kernel needs of the machine under it. nvcc gives it the GPU; any other compiler the emulation, which
// runs the same kernels on the CPU, so that their arithmetic can be tested where there is no GPU.
#pragma once

#ifdef __CUDACC__
#include "langevin/kernels/cuda/device_gpu.h"
#else
#include "langevin/kernels/cuda/emulation.h"
#endif
