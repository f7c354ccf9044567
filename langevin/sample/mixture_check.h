// Do samplers make the distribution they should? Eight Gaussians on a circle have a best denoiser in closed
// form (diffusion/mixture.h); what a sampler makes with it must have their weights, means and covariances.
// What the tests and `langevin verify` both run.
#pragma once

#include <string>
#include <vector>

#include "langevin/diffusion/mixture.h"
#include "langevin/sample/sampler.h"

namespace langevin {

/// Eight components in the plane, unequal weights, so far apart that a sample's component is the nearest.
Mixture eight_gaussians();

struct MixtureCase {
  std::string name;
  SamplerConfig config;
};
/// The stochastic samplers, and lcm with a consistency function (a fine solution of the flow).
std::vector<MixtureCase> mixture_cases();

/// Largest errors over the components, each with what it may be: 4.5 standard errors of so many samples, and
/// an allowance for the sampler's own discretisation.
struct MixtureResult {
  std::string name;
  int64_t samples;
  double weight_error, weight_limit;          // of the share of samples
  double mean_error, mean_limit;              // in standard deviations of the component
  double covariance_error, covariance_limit;  // of an entry, in variances of the component
  bool pass() const {
    return weight_error <= weight_limit && mean_error <= mean_limit && covariance_error <= covariance_limit;
  }
};

/// n samples by that sampler, with a linear schedule of 1000 timesteps, seed fixed by the caller.
MixtureResult check_mixture_sampler(const MixtureCase& mixture_case, int64_t n, uint64_t seed);

/// The statistics of samples (n, 2) of eight_gaussians().
MixtureResult mixture_statistics(const std::string& name, const HostArrayD& samples);

}  // namespace langevin
