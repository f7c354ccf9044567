// Forward and backward of one batch. On a GPU they are recorded at the first call of a shape and replayed
// from then on (torch/cuda_graph.h).
#pragma once

#include <memory>
#include <vector>

#include "langevin/torch/cuda_graph.h"
#include "langevin/torch/interpreter.h"

namespace langevin {

/// What a pass reads, on the network's device.
struct PassInputs {
  at::Tensor input, answer;  // of the network: (N,...) fp32
  at::Tensor told;           // (N) fp32, what the network is told of the time
  at::Tensor weights;        // (N) fp32, of each sample's error in the loss
  at::Tensor labels = {};    // (N) int64, or undefined
};

/// What it gives beside the gradients of the network's leaves. A later pass may write these again.
struct PassLosses {
  at::Tensor errors;  // (N), each sample's mean square
  at::Tensor loss;    // their weighted sum
};

class TrainingPass {
 public:
  /// The network must outlive this. `record`: let a GPU replay; without, each call starts every kernel anew.
  explicit TrainingPass(TorchNetwork& network, bool record = true) : network_(network), record_(record) {}

  /// Adds to the leaves' gradients where they have any (replays set them: collect them after each pass).
  PassLosses operator()(const PassInputs& inputs, const CallContext& context);

  TorchNetwork& network() { return network_; }

 private:
  PassLosses run(const PassInputs& inputs, const CallContext& context);
  void record(const PassInputs& inputs, const CallContext& context);
  bool fits(const PassInputs& inputs) const;

  TorchNetwork& network_;
  bool record_;
  std::unique_ptr<CudaGraph> graph_;
  PassInputs inputs_;  // of the recorded pass, as all that follows
  at::Tensor moment_;  // DropoutPlace::moment (torch/fused.h)
  PassLosses losses_;
  std::vector<at::Tensor> gradients_;  // one a leaf
};

}  // namespace langevin
