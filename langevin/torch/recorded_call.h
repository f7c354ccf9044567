// Calls of a network without gradients. On a GPU the second call of a shape is recorded and those after it
// are replays (cuda_graph.h): a sampler calls the same shape many times.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "langevin/torch/cuda_graph.h"
#include "langevin/torch/interpreter.h"

namespace langevin {

class RecordedCalls {
 public:
  /// The network must outlive this; its parameters may change their values, not their places.
  explicit RecordedCalls(TorchNetwork& network) : network_(network) {}

  /// As TorchNetwork's, without gradients.
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& t, const TorchConditions& cond);

 private:
  struct Call {
    at::Tensor x, t, output;
    TorchConditions cond;
    std::unique_ptr<CudaGraph> graph;  // null after the first call
  };
  at::Tensor run(const at::Tensor& x, const at::Tensor& t, const TorchConditions& cond);
  void record(Call& call, const at::Tensor& x, const at::Tensor& t, const TorchConditions& cond);

  TorchNetwork& network_;
  std::map<std::vector<int64_t>, Call> calls_;  // by the sizes of all inputs
};

}  // namespace langevin
