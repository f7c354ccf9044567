// A sequence of device work, recorded once and replayed with one launch: small kernels otherwise wait for the
// processor that starts them. cuda_graph.cpp is compiled only with a libtorch that has CUDA, whose headers
// ATen/cuda/CUDAGraph.h and c10/cuda/CUDAStream.h (1.13 to 2.x) it needs; elsewhere cuda_graph_absent.cpp
// takes its place.
//
// What is recorded works on the same memory each time: its inputs are tensors that the caller fills before a
// replay, its results tensors that a replay writes anew. It must not read from the device, nor move anything
// between it and the host.
#pragma once

#include <functional>
#include <memory>

#include "langevin/torch/compat.h"

namespace langevin {

/// Whether work on this device can be recorded.
bool has_cuda_graphs(at::Device device);

class CudaGraph {
 public:
  /// Runs `work` twice, so that libraries have made what they need, and records it the third time. Error
  /// where has_cuda_graphs() is false.
  CudaGraph(at::Device device, const std::function<void()>& work);
  ~CudaGraph();
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;

  /// On the device's current stream.
  void replay();

 private:
  struct Recorded;
  std::unique_ptr<Recorded> recorded_;
};

}  // namespace langevin
