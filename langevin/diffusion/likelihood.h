// p(x | z) of a variational autoencoder: what a decoder's picture says of the data, element by element.
//
//   gaussian   N(mean, e^(2 log_scale))
//   laplace    e^(-|x - mean| / s) / (2 s),  s = e^log_scale
//   logistic   the discretised logistic (discretised.h; Salimans et al. 2017, arXiv:1701.05517)
//
// One scale is shared by all elements, learned beside the network (Rybkin et al. 2021, arXiv:2006.13202,
// "sigma-VAE"): it weighs reconstruction against KL, and nobody has to choose it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "langevin/diffusion/discretised.h"

namespace langevin {

enum class Likelihood { gaussian, laplace, logistic };

std::string to_string(Likelihood likelihood);
Likelihood likelihood_from_name(const std::string& name);  // Error names the nearest
std::vector<std::string> likelihood_names();

/// log p(x | mean) in nats, summed: of the bins (a probability), or the density itself, which logistic has
/// not (Error).
double log_likelihood(Likelihood likelihood, std::span<const float> x, std::span<const float> mean,
                      double log_scale, bool of_bins = true, const Bins& bins = {});

/// The log_scale of greatest likelihood of bins for those pairs, to 1e-4; in [-7, 2].
double fit_log_scale(Likelihood likelihood, std::span<const float> x, std::span<const float> mean);

/// KL(N(mean, diag e^logvar) || N(0, I)) of one dimension (1312.6114, appendix B).
double kl_to_prior(double mean, double logvar);

}  // namespace langevin
