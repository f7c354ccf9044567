# libtorch: Debian's, or the one inside a PyTorch wheel (CMAKE_PREFIX_PATH from torch.utils.cmake_prefix_path).
# LANGEVIN_TORCH_CUDA says whether it has CUDA and nvcc is here: then the wing uses our kernels and graphs on a GPU.
set(LANGEVIN_TORCH_CUDA OFF)
if(LANGEVIN_TORCH)
  # A libtorch with CUDA names this target; since CUDA 12 it is headers only, and CUDA 13 has it under another name.
  if(LANGEVIN_HAS_CUDA AND NOT TARGET CUDA::nvToolsExt)
    add_library(CUDA::nvToolsExt INTERFACE IMPORTED)
  endif()
  find_package(Torch REQUIRED)
  if(LANGEVIN_HAS_CUDA AND TARGET torch_cuda)
    set(LANGEVIN_TORCH_CUDA ON)
  endif()
  message(STATUS "libtorch ${Torch_VERSION}, with our CUDA kernels: ${LANGEVIN_TORCH_CUDA}")
endif()
