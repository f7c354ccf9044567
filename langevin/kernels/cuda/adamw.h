// Optimizer steps of kernels/adamw.h on the device: the same arrays and constants, for all of a network's
// parameters in a few launches.
#pragma once

#include <cstdint>
#include <span>

#include "langevin/kernels/adamw.h"
#include "langevin/kernels/cuda/stream.h"

namespace langevin::cuda {

/// One step over each of the given arrays: gradient scaling, moments, decay, update, average and bf16 copy in
/// one pass over memory.
void adamw_step(std::span<const AdamWArrays<float>> arrays, const AdamWOptions& options, Stream stream);
void adamw_step(std::span<const AdamWArrays<BF16>> arrays, const AdamWOptions& options, Stream stream);

/// A run of n values.
template <class T>
struct Values {
  const T* data = nullptr;
  int64_t n = 0;
};

/// Doubles of workspace that sum_of_squares() needs.
template <class T>
int64_t sum_of_squares_workspace(std::span<const Values<T>> values);

/// *sum (on the device) = the sum of all squares, in double: not finite if and only if a value is not. The
/// order depends on the lengths alone.
void sum_of_squares(std::span<const Values<float>> values, double* sum, double* workspace, Stream stream);
void sum_of_squares(std::span<const Values<BF16>> values, double* sum, double* workspace, Stream stream);

}  // namespace langevin::cuda
