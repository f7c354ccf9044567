// The gradient of one part of a training step: Algorithm 1 of Ho et al. 2006.11239, lines 2 to 5.
#pragma once

#include "langevin/data/loader.h"
#include "langevin/diffusion/time_draws.h"
#include "langevin/diffusion/training.h"
#include "langevin/model/recipe.h"
#include "langevin/train/training_pass.h"

namespace langevin {

/// What does not change from step to step.
struct TrainingObjective {
  Target target;
  LossWeightConfig loss = {};
  TimeDraws times = {};
  double label_dropout = 0;
  int64_t null_label = -1;
  bool conditional = false;
  bool noisy = true;  // false: a classifier sees clean pictures
  uint64_t seed = 0;
  int64_t batch = 1, parts = 1;
  bool recompute = false;  // the inside of blocks, in the backward pass
};

struct PartResult {
  double loss = 0;                   // weighted mean
  std::vector<double> shares;        // B, of the times that are drawn below each sample's (time_draws.h)
  std::vector<double> errors;        // B, unweighted mean squares, or cross-entropies
  std::vector<double> correct = {};  // B of a classifier: 1 where it found the class, else 0
};

/// A batch at the times drawn for it.
struct NoisedBatch {
  at::Tensor input, answer;     // (B,C,H,W): what the network sees, and should answer
  at::Tensor told;              // (B)
  std::vector<double> weights;  // B, of the squared errors
  std::vector<double> shares;   // B
};
NoisedBatch noised_batch(const TrainingObjective& objective, const Batch& batch, int64_t step, int64_t part,
                         at::Device device);

/// (B) on any device, in double.
std::vector<double> to_doubles(const at::Tensor& values);

/// Forward and backward of one batch; gradients are added to the leaves. `part` counts within the step.
PartResult training_part(TrainingPass& pass, const TrainingObjective& objective, const Batch& batch,
                         int64_t step, int64_t part);

}  // namespace langevin
