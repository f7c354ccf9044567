# LANGEVIN_CUDA: the kernels for GPUs (langevin/kernels/cuda), compiled by nvcc. No GPU is needed to build them.
# AUTO builds them where nvcc is found; ON insists; OFF leaves them out ("built without CUDA").
set(LANGEVIN_CUDA AUTO CACHE STRING "kernels for CUDA: AUTO (where nvcc is found), ON or OFF")
set_property(CACHE LANGEVIN_CUDA PROPERTY STRINGS AUTO ON OFF)

set(LANGEVIN_HAS_CUDA OFF)
if(LANGEVIN_SANITIZE AND LANGEVIN_CUDA STREQUAL "AUTO")
  # The sanitizers look at the emulation of the kernels (tests/kernels/cuda), which is plain C++.
elseif(NOT LANGEVIN_CUDA STREQUAL "OFF")
  find_program(LANGEVIN_NVCC nvcc HINTS $ENV{CUDA_HOME}/bin $ENV{CUDA_PATH}/bin /usr/local/cuda/bin)
  if(LANGEVIN_NVCC)
    set(LANGEVIN_HAS_CUDA ON)
  elseif(LANGEVIN_CUDA STREQUAL "ON")
    message(FATAL_ERROR "LANGEVIN_CUDA=ON, but there is no nvcc: put it into PATH or set CUDA_HOME")
  endif()
endif()
message(STATUS "CUDA kernels: ${LANGEVIN_HAS_CUDA}")

if(LANGEVIN_HAS_CUDA)
  set(CMAKE_CUDA_COMPILER ${LANGEVIN_NVCC} CACHE FILEPATH "nvcc")
  # Machine code for A100 and H100 (and their like), and PTX that drivers translate for what comes after.
  set(CMAKE_CUDA_ARCHITECTURES 80-real 90 CACHE STRING "GPUs to compile for")
  set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER} CACHE FILEPATH "nvcc's host compiler")
  enable_language(CUDA)
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake below 3.26 does not know that nvcc has C++20
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
    list(APPEND CMAKE_CUDA_COMPILE_FEATURES cuda_std_20)
  endif()
  set(CMAKE_CUDA_STANDARD 20)
  find_package(CUDAToolkit REQUIRED)
endif()
# In a scope of its own: what libtorch's package does to CUDA's flags afterwards stays out.
add_subdirectory(langevin/kernels/cuda)
