// The variational autoencoder of the textbook (Kingma & Welling 2013, arXiv:1312.6114, appendix C): dense
// layers on all of a small picture's values at once.
//
//   encode: x (N,C,H,W) -> mean, logvar (N,latent) of a Gaussian, logvar kept in [-30, 20].
//   decode: z (N,latent) -> (N,C,H,W), the middle of the likelihood.
//
// Without hidden layers both are linear, and log p(x) is known (probabilistic PCA: Tipping & Bishop 1999).
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "langevin/nn/autoencoder_kl.h"

namespace langevin::nn {

struct VaeDenseConfig {
  int64_t sample_height = 28, sample_width = 28;
  int64_t in_channels = 1;
  int64_t latent_channels = 16;      // L
  std::vector<int64_t> hidden{512};  // widths from the picture to the latent; the decoder has them backwards
  double scaling_factor = 1;         // of (z - shift_factor) to unit variance, measured in training
  double shift_factor = 0;

  int64_t values() const { return in_channels * sample_height * sample_width; }
};

/// Checks every field; Error names field and value.
VaeDenseConfig validated(VaeDenseConfig config);

nlohmann::json to_json(const VaeDenseConfig& config);
VaeDenseConfig vae_dense_config_from_json(const nlohmann::json& json, const std::string& source);

/// `config` must be validated.
template <class B>
LatentGaussian<typename B::Value> vae_dense_encode(B& b, const VaeDenseConfig& c, typename B::Value x) {
  const Shape shape = b.shape(x);
  check(shape.size() == 4 &&
            Shape(shape.begin() + 1, shape.end()) == Shape{c.in_channels, c.sample_height, c.sample_width},
        "vae_dense", "the picture is {}, the network needs (N, {}, {}, {})", to_string(shape), c.in_channels,
        c.sample_height, c.sample_width);
  const auto scope = b.scope("encoder");
  typename B::Value h = b.flatten(x);
  for (size_t i = 0; i < c.hidden.size(); ++i)
    h = b.silu(b.linear(h, std::to_string(i), {.out = c.hidden[i]}));
  h = b.linear(h, "moments", {.out = 2 * c.latent_channels});
  return {b.slice(h, 0, c.latent_channels),
          b.clamp(b.slice(h, c.latent_channels, c.latent_channels), -30.0, 20.0)};
}

/// `config` must be validated.
template <class B>
typename B::Value vae_dense_decode(B& b, const VaeDenseConfig& c, typename B::Value z) {
  const Shape shape = b.shape(z);
  check(shape.size() == 2 && shape[1] == c.latent_channels, "vae_dense",
        "the latent is {}, the network needs (N, {})", to_string(shape), c.latent_channels);
  const auto scope = b.scope("decoder");
  typename B::Value h = z;
  for (size_t i = 0; i < c.hidden.size(); ++i)
    h = b.silu(b.linear(h, std::to_string(i), {.out = c.hidden[c.hidden.size() - 1 - i]}));
  h = b.linear(h, "out", {.out = c.values()});
  return b.unflatten(h, {c.in_channels, c.sample_height, c.sample_width});
}

}  // namespace langevin::nn
