// How the network of a target is asked at one level of noise and how its answer is read, as numbers: for
// what asks it about samples that stand at different levels in one batch (estimates of likelihoods).
#pragma once

#include "langevin/diffusion/target.h"

namespace langevin {

/// At level (alpha, sigma) the network sees `scale` x_t and is told `told`; of its answer y
///   x_0 = x0_x x_t + x0_y y,   eps = eps_x x_t + eps_y y
/// where both are meant as make_denoiser means them.
struct Reading {
  double alpha = 1, sigma = 0;
  double scale = 1, told = 0;
  double x0_x = 0, x0_y = 0;
  double eps_x = 0, eps_y = 0;
};

/// t is a time of the target's path; Error outside of it.
Reading reading(const Target& target, double t);

}  // namespace langevin
