// One training step as mathematics: Ho et al. 2020, arXiv:2006.11239, algorithm 1, lines 3 to 5.
#pragma once

#include <span>

#include "langevin/core/array.h"
#include "langevin/diffusion/prediction.h"
#include "langevin/diffusion/process.h"
#include "langevin/diffusion/schedule.h"

namespace langevin {

/// What the network sees, and what it should have said.
template <class A>
struct TrainingPair {
  A x_t;
  A target;
};

/// The reparameterised draw from q(x_t | x_0): x_t = alpha x_0 + sigma eps, with the target that a network of
/// `type` is trained on: eps, x_0 or v. x0 and eps are (B, ...), t holds one index per sample. The caller
/// draws t (timesteps.h) and eps (noise_like with Purpose::training_noise and the place in the training
/// stream). The loss is then simple_loss(network(x_t, t), target, loss_weights[t]).
template <Array A>
TrainingPair<A> training_pair(const Schedule& schedule, PredictionType type, const A& x0,
                              std::span<const int64_t> t, const A& eps) {
  return {q_sample(schedule, x0, t, eps), prediction_target(x0, eps, schedule.level(t), type)};
}

}  // namespace langevin
