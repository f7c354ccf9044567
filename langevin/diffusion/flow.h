// Flow matching on straight lines: Lipman et al. 2022, arXiv:2210.02747; Liu et al. 2022, arXiv:2209.03003;
// Albergo & Vanden-Eijnden 2022, arXiv:2209.15571. The network learns the velocity of
//   x_t = (1 - t) x_0 + t eps,   v = dx_t/dt = eps - x_0,   t in [0, 1], noise at 1.
// The loss is the plain mean square error of v; t is drawn by time_draws.h.
#pragma once

#include <utility>
#include <vector>

#include "langevin/diffusion/denoiser.h"

namespace langevin {

/// The level of each sample's t in [0, 1]; Error outside.
Level flow_level(const Coef& t);

/// 1 for flow matching itself. With t drawn uniformly, a density pi(t) of draws is the same objective as the
/// weight pi(t) (2403.03206, section 3.1); this is that of logit_normal_time, t in (0, 1).
double flow_loss_weight(double t, double mean, double stddev);

/// A network of v as a denoiser on flow_path: x_0 = x_t - t v, eps = x_t + (1 - t) v. The network is told
/// t times `time_scale` (1000 for networks made for timesteps).
template <Array A>
Denoiser<A> flow_denoiser(Network<A> network, double time_scale = 1) {
  check(static_cast<bool>(network), "flow_denoiser", "the network is empty");
  return [network = std::move(network), time_scale](const A& x_t, double t, const Cond<A>& cond) {
    check_cond(x_t, cond);
    const Level level = flow_level(t);
    const std::vector<double> told(static_cast<size_t>(batch_size(x_t)), t * time_scale);
    const A v = network(x_t, told, cond);
    return Prediction<A>{lincomb(1.0, x_t, -t, v), lincomb(1.0, x_t, level.alpha, v)};
  };
}

}  // namespace langevin
