#include "langevin/torch/cuda_graph.h"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

namespace langevin {
namespace {

constexpr int kWarmUps = 2;

}  // namespace

struct CudaGraph::Recorded {
  at::cuda::CUDAGraph graph;
};

bool has_cuda_graphs(at::Device device) { return device.is_cuda(); }

CudaGraph::CudaGraph(at::Device device, const std::function<void()>& work)
    : recorded_(std::make_unique<Recorded>()) {
  const c10::cuda::CUDAGuard on_device(device);
  c10::cuda::getCurrentCUDAStream(device.index()).synchronize();  // the inputs are there
  // Recording needs a stream of its own. Its first calls are made there too: libraries keep memory by stream.
  const c10::cuda::CUDAStream stream = c10::cuda::getStreamFromPool(false, device.index());
  const c10::cuda::CUDAStreamGuard on_stream(stream);
  for (int i = 0; i < kWarmUps; ++i) work();
  stream.synchronize();
  recorded_->graph.capture_begin();
  try {
    work();
  } catch (...) {
    // The stream must leave the state of recording, or nothing can use it again.
    try {
      recorded_->graph.capture_end();
    } catch (const std::exception&) {  // says that the recording is broken, which is known
    }
    throw;
  }
  recorded_->graph.capture_end();
}

CudaGraph::~CudaGraph() = default;

void CudaGraph::replay() { recorded_->graph.replay(); }

}  // namespace langevin
