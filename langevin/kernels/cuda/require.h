// core/check.h for files that nvcc reads: its compiler does not take fmt's formats, and needs seconds for
// them.
#pragma once

#include <initializer_list>

namespace langevin::cuda {

/// Throws Error "function: expectation, got a, b, ..." unless `ok`.
void require(bool ok, const char* function, const char* expectation, std::initializer_list<double> got = {});

}  // namespace langevin::cuda
