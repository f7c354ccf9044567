// EDM: Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative Models",
// arXiv:2206.00364. x = x_0 + sigma eps; the network F sees scaled inputs and its output is scaled:
//   D(x; sigma) = c_skip x + c_out F(c_in x; c_noise)                                         (eq. 7)
#pragma once

#include <cmath>
#include <utility>
#include <vector>

#include "langevin/diffusion/denoiser.h"

namespace langevin {

/// The coefficients at one sigma > 0 (table 1, last column).
struct EdmCoefs {
  double skip;   // sigma_data^2 / (sigma^2 + sigma_data^2)
  double out;    // sigma sigma_data / sqrt(sigma^2 + sigma_data^2)
  double in;     // 1 / sqrt(sigma^2 + sigma_data^2): the input has unit variance
  double noise;  // log(sigma) / 4: what F is told of the noise
};

/// sigma_data is the standard deviation of the data. Throws unless both are above 0.
EdmCoefs edm_coefs(double sigma, double sigma_data = 0.5);

/// lambda(sigma) = (sigma^2 + sigma_data^2) / (sigma sigma_data)^2 on the squared error of x_0: every sigma
/// weighs the same on F's output (eq. 8 and appendix B.6).
double edm_loss_weight(double sigma, double sigma_data = 0.5);

/// A network F behind eq. 7 as a denoiser on edm_path: its t is sigma, and F is told c_noise.
template <Array A>
Denoiser<A> edm_denoiser(Network<A> network, double sigma_data = 0.5) {
  check(static_cast<bool>(network), "edm_denoiser", "the network is empty");
  return [network = std::move(network), sigma_data](const A& x, double sigma, const Cond<A>& cond) {
    check_cond(x, cond);
    const EdmCoefs c = edm_coefs(sigma, sigma_data);
    const std::vector<double> told(static_cast<size_t>(batch_size(x)), c.noise);
    const A output = network(lincomb(c.in, x), told, cond);
    A x0 = lincomb(c.skip, x, c.out, output);
    // eps = (x - x0) / sigma, with 1 - c_skip = sigma^2 c_in^2 worked in: nothing cancels.
    A eps = lincomb(sigma * c.in * c.in, x, -c.out / sigma, output);
    return Prediction<A>{std::move(x0), std::move(eps)};
  };
}

}  // namespace langevin
