// A device's memory for programs without libtorch: tests and benches.
#pragma once

#include <cstddef>
#include <string>

#include "langevin/kernels/cuda/stream.h"

namespace langevin::cuda {

/// 0 where there is no device or no driver.
int device_count();
/// Of the current device.
std::string device_name();

/// On 256 bytes. Error if there is not so much.
void* allocate(size_t bytes);
void release(void* memory);

/// Between host and device or within either, in the order of the stream. Returns at once only if the host's
/// memory is pinned.
void copy(void* to, const void* from, size_t bytes, Stream stream = nullptr);
/// Until all work of the stream is done. Error if any of it failed.
void wait(Stream stream = nullptr);

}  // namespace langevin::cuda
