// One training step as mathematics: Ho et al. 2020, arXiv:2006.11239, algorithm 1, lines 3 to 5, for every
// target. What a network is shown and what it should answer are both sums of x_0 and eps.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "langevin/core/array.h"
#include "langevin/diffusion/loss.h"
#include "langevin/diffusion/target.h"

namespace langevin {

/// All that training needs to know of one sample's t.
struct TrainingLevel {
  double told = 0;                       // what the network is told of it
  double input_x0 = 0, input_eps = 0;    // it sees input_x0 x_0 + input_eps eps
  double answer_x0 = 0, answer_eps = 0;  // and should answer answer_x0 x_0 + answer_eps eps
  double weight = 1;                     // of the squared error of that answer
};

/// `t` is a time of the target's path: a timestep (a whole number), sigma or the t of the flow. The weight is
/// `loss`'s under ddpm. Under edm it is lambda(sigma) c_out(sigma)^2 = 1 (2206.00364, eq. 8), under flow 1:
/// there the draws of t do the weighing. Error outside the path and where `loss` does not belong to it.
TrainingLevel training_level(const Target& target, double t, const LossWeightConfig& loss = {});

/// What the network sees, and what it should have answered.
template <class A>
struct TrainingPair {
  A input;
  A answer;
};

/// x0 and eps are (B, ...), a level for each sample. The caller draws t (time_draws.h) and eps (noise_like
/// with Purpose::training_noise and the place in the training stream).
template <Array A>
TrainingPair<A> training_pair(std::span<const TrainingLevel> levels, const A& x0, const A& eps) {
  const auto each = [levels](double TrainingLevel::*member) {
    std::vector<double> values;
    values.reserve(levels.size());
    for (const TrainingLevel& level : levels) values.push_back(level.*member);
    return Coef(std::move(values));
  };
  return {lincomb(each(&TrainingLevel::input_x0), x0, each(&TrainingLevel::input_eps), eps),
          lincomb(each(&TrainingLevel::answer_x0), x0, each(&TrainingLevel::answer_eps), eps)};
}

}  // namespace langevin
