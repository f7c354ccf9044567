#include "langevin/torch/cuda_graph.h"

namespace langevin {

struct CudaGraph::Recorded {};

bool has_cuda_graphs(at::Device) { return false; }

CudaGraph::CudaGraph(at::Device device, const std::function<void()>&) {
  fail("built without CUDA graphs: {} cannot record work; see docs/gpu.md", device.str());
}

CudaGraph::~CudaGraph() = default;

void CudaGraph::replay() {}

}  // namespace langevin
