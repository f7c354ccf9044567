// A mixture of isotropic Gaussians: data whose best denoiser is known in closed form, on any noise path.
#pragma once

#include <vector>

#include "langevin/diffusion/denoiser.h"
#include "langevin/diffusion/path.h"

namespace langevin {

/// x_0 ~ sum_k weights[k] N(means[k], stddevs[k]^2 I). All of the same length K >= 1; every mean has D
/// values.
struct Mixture {
  std::vector<double> weights;             // positive; need not sum to 1
  std::vector<std::vector<double>> means;  // K x D
  std::vector<double> stddevs;             // >= 0
};

/// Throws Error unless the sizes fit and the values are in range.
void check_mixture(const Mixture& mixture);

/// E[x_0 | x_t] and E[eps | x_t]: x_t is a mixture too, of N(alpha m_k, alpha^2 s_k^2 + sigma^2), so
/// component k has the posterior probability that Bayes' rule gives it, and within it gaussian_denoiser's
/// formula holds. With one component this is the Gaussian case. T is float or double; x_t is (B, D).
template <class T>
Denoiser<HostArray<T>> mixture_denoiser(NoisePath path, Mixture mixture);

extern template Denoiser<HostArray<float>> mixture_denoiser<float>(NoisePath, Mixture);
extern template Denoiser<HostArray<double>> mixture_denoiser<double>(NoisePath, Mixture);

}  // namespace langevin
