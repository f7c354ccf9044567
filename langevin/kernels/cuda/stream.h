// What the launch functions of this folder have in common. They take plain pointers to memory of the current
// device, put their work onto a stream and return at once; nothing here includes CUDA's headers, so that any
// file may call them.
//
// Every sum is added in an order that depends on the sizes alone: the same inputs give the same bits, run
// after run. A launch that CUDA refuses, or a size out of range, is an Error.
#pragma once

namespace langevin::cuda {

/// A cudaStream_t; null is the device's default stream.
using Stream = void*;

}  // namespace langevin::cuda
