#include "emulated_device.h"

#include "langevin/torch/cuda_device.h"
#include "langevin/torch/cuda_graph.h"

namespace langevin {
namespace {

bool emulated = false;
int recorded = 0;

}  // namespace

namespace test {

EmulatedGpu::EmulatedGpu() { emulated = true; }
EmulatedGpu::~EmulatedGpu() { emulated = false; }
int graphs_recorded() { return recorded; }

}  // namespace test

bool has_cuda_kernels(at::Device) { return emulated; }
cuda::Stream current_stream(at::Device) { return nullptr; }

bool has_cuda_graphs(at::Device) { return emulated; }

/// A replay does the work again, on the inputs that the recorded one was given.
struct CudaGraph::Recorded {
  std::function<void()> work;
};
CudaGraph::CudaGraph(at::Device, const std::function<void()>& work)
    : recorded_(std::make_unique<Recorded>(Recorded{work})) {
  for (int i = 0; i < 3; ++i) work();
  ++recorded;
}
CudaGraph::~CudaGraph() = default;
void CudaGraph::replay() { recorded_->work(); }

}  // namespace langevin
