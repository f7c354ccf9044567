// Training on the variational bound: Nichol & Dhariwal 2021, arXiv:2102.09672, section 3.
//
//   L_vlb     T L_t in bits per dimension, t drawn                    (the sum over t, estimated)
//   L_hybrid  L_simple + weight L_vlb, where L_vlb sees the mean as a constant: it trains the variance alone
#pragma once

#include "langevin/diffusion/loss_aware.h"
#include "langevin/train/training_step.h"

namespace langevin {

/// Forward and backward of one batch; gradients are added to the leaves. The objective has a `bound`; `times`
/// (may be null) draws the timesteps, and hears of nothing: result.drawn says what came.
PartResult bound_part(TorchNetwork& network, const TrainingObjective& objective, const LossAwareTimes* times,
                      const Batch& batch, int64_t step, int64_t part);

/// T L_t of each sample in bits per dimension, (B) in double: diffusion/bound.h's step_term on tensors, with
/// gradients. x0, x0_model and variance (undefined: fixed_small) are (B,C,H,W).
at::Tensor bound_bits(const Schedule& schedule, const std::vector<int64_t>& t, const at::Tensor& x0,
                      const at::Tensor& x0_model, const at::Tensor& variance);

}  // namespace langevin
