// All that training a variational autoencoder keeps beside its network: the scale of p(x|z), the critic, the
// features of a perceptual loss; and what its model file says of latents and likelihood.
#pragma once

#include <memory>
#include <optional>

#include "langevin/core/signals.h"
#include "langevin/model/vae_estimate.h"
#include "langevin/train/checkpoint.h"
#include "langevin/train/vae_step.h"

namespace langevin {

class VaeLearner {
 public:
  /// Error: a perceptual model that is no classifier of such pictures.
  VaeLearner(const Recipe& recipe, const ModelSpec& spec, at::Device device);

  PartResult part(TorchNetwork& network, const Batch& batch, int64_t step);
  /// Ends a step of `parts`: with a finite gradient of the network one update, else none.
  void step(int64_t parts, bool finite);

  /// Puts into a checkpoint's state what there is to keep, and takes it back.
  void keep(TrainState& state);
  void restore(const TrainState& state);

  /// The model's description for these weights: scale of the latents, scale of the likelihood, measured on
  /// the first of `data`.
  void describe(ModelSpec& spec, const at::Tensor& ema, const Dataset& data);

 private:
  HostArrayF pictures_of(const ModelSpec& spec, const Dataset& data);
  VaeObjective objective_;
  LearnedScale scale_;
  at::Device device_;
  std::optional<PatchCritic> critic_;
  std::unique_ptr<TorchNetwork> features_;
  std::unique_ptr<TorchNetwork> averaged_;  // the network with EMA weights
};

/// ELBO, IWAE of `samples` and the KL of every dimension of the weights `ema`, on up to `count` examples.
/// Nothing where it is stopped.
std::optional<VaeReport> judge_vae(const ModelSpec& spec, const at::Tensor& ema, const Dataset& data,
                                   int64_t count, int64_t samples, uint64_t seed, const StopSignal& stop);

/// Both ways of a network; it must outlive the result.
VaeCoder vae_coder(TorchNetwork& network);

}  // namespace langevin
