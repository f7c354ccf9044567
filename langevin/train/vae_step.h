// Training of a variational autoencoder: Kingma & Welling 2013, arXiv:1312.6114, algorithm 1.
//
//   loss = (-log p(x|z) + beta KL(q(z|x) || N(0, I))) / D   nats a dimension, z drawn from q
//          + perceptual weight |features(x) - features(decoded)|^2
//          - adversarial weight critic(decoded)
#pragma once

#include <functional>

#include "langevin/diffusion/likelihood.h"
#include "langevin/train/patch_critic.h"
#include "langevin/train/training_step.h"

namespace langevin {

struct VaeObjective {
  Likelihood likelihood = Likelihood::gaussian;
  double beta = 1;     // of the KL (beta-VAE); 1: the bound itself
  int64_t warmup = 0;  // steps over which beta rises from 0
  uint64_t seed = 0;
  bool recompute = false;
  double perceptual = 0;  // weight
  /// Features (N,D) of pictures (N,C,H,W), with gradients; empty: no perceptual loss.
  std::function<at::Tensor(const at::Tensor& pictures)> features = {};
  double adversarial = 0;         // weight
  int64_t adversarial_start = 0;  // step from which the critic is heard
};

/// The scale of p(x|z), learned by Adam beside the network; all of it is kept in a checkpoint.
struct LearnedScale {
  double log_scale = -1;
  double gradient = 0;  // of the step that is running
  double m = 0, v = 0;
  int64_t updates = 0;
  void step(double lr);
};

struct VaePartResult {
  double loss = 0;
  double scale_gradient = 0;
  std::vector<double> bits;  // B, the negative ELBO (beta 1) in bits per dimension
  std::vector<double> kl;    // B, nats
  std::vector<double> mse;   // B
};

/// beta at a step.
double kl_weight(const VaeObjective& objective, int64_t step);

/// Forward and backward of one batch; gradients are added to the leaves of the network and, where there is
/// one, to the critic's.
VaePartResult vae_part(TorchNetwork& network, const VaeObjective& objective, double log_scale,
                       PatchCritic* critic, const Batch& batch, int64_t step);

/// -log p(x|mean) in nats, (B), with gradients; log_scale is a number in double. Densities of gaussian and
/// laplace count a value's step of the grid as its bin.
at::Tensor reconstruction_nats(Likelihood likelihood, const at::Tensor& x, const at::Tensor& mean,
                               const at::Tensor& log_scale);

/// z = mean + e^(logvar / 2) eps (the reparameterisation), and the KL to the prior, (B) in nats.
at::Tensor reparameterised(const nn::LatentGaussian<at::Tensor>& q, const at::Tensor& eps);
at::Tensor kl_nats(const nn::LatentGaussian<at::Tensor>& q);

/// What a model file says of its latents and its likelihood, measured on pictures with these weights.
struct MeasuredVae {
  double latent_mean = 0, latent_stddev = 1;
  double log_scale = 0;
};
MeasuredVae measure_vae(TorchNetwork& network, Likelihood likelihood, const HostArrayF& pictures,
                        uint64_t seed);

}  // namespace langevin
