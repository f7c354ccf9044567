// Every network of the house under one name, so that files, interpreters and trainers need not know which it
// is.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <variant>

#include "langevin/diffusion/conditions.h"
#include "langevin/nn/autoencoder_kl.h"
#include "langevin/nn/classifier.h"
#include "langevin/nn/cost.h"
#include "langevin/nn/transformer_policy.h"
#include "langevin/nn/unet1d.h"
#include "langevin/nn/unet2d.h"
#include "langevin/nn/unet2d_condition.h"
#include "langevin/nn/vae_dense.h"

namespace langevin::nn {

/// A network's configuration. A new network is one more alternative, one more line of the table in
/// network.cpp, one more case below.
using NetworkConfig = std::variant<UNet2DConfig, UNet1DConfig, TransformerPolicyConfig, UNet2DConditionConfig,
                                   AutoencoderKLConfig, ClassifierConfig, VaeDenseConfig>;

/// {"type": "unet2d", ...the peer's keys}, both ways; errors name `source` and the key.
nlohmann::json to_json(const NetworkConfig& config);
NetworkConfig network_from_json(const nlohmann::json& json, const std::string& source);

/// Both ways of an autoencoder; Error of another network and where B has not all of its words.
template <class B>
LatentGaussian<typename B::Value> encode(B& b, const NetworkConfig& config, typename B::Value x) {
  if (const auto* c = std::get_if<AutoencoderKLConfig>(&config)) return autoencoder_kl_encode(b, *c, x);
  if constexpr (DenseInterpreter<B>) {
    if (const auto* c = std::get_if<VaeDenseConfig>(&config)) return vae_dense_encode(b, *c, x);
  }
  fail("the network is no autoencoder that this backend knows: it has no latents");
}
template <class B>
typename B::Value decode(B& b, const NetworkConfig& config, typename B::Value z) {
  if (const auto* c = std::get_if<AutoencoderKLConfig>(&config)) return autoencoder_kl_decode(b, *c, z);
  if constexpr (DenseInterpreter<B>) {
    if (const auto* c = std::get_if<VaeDenseConfig>(&config)) return vae_dense_decode(b, *c, z);
  }
  fail("the network is no autoencoder that this backend knows: it has no latents");
}

/// "unet2d", the "type" in files.
std::string type_name(const NetworkConfig& config);

/// Applies the network that `config` describes; an autoencoder gives the reconstruction of x, whatever t is,
/// a classifier logits (N,K). Error if B has not all of its words.
template <class B>
typename B::Value apply(B& b, const NetworkConfig& config, const Inputs<typename B::Value>& in) {
  if (const auto* c = std::get_if<UNet2DConfig>(&config)) return unet2d(b, *c, in);
  if (const auto* c = std::get_if<ClassifierConfig>(&config)) return classifier_logits(b, *c, in);
  if constexpr (SequenceInterpreter<B>) {
    if (const auto* c = std::get_if<UNet1DConfig>(&config)) return unet1d(b, *c, in);
  }
  if constexpr (Interpreter<B>) {
    if (const auto* c = std::get_if<TransformerPolicyConfig>(&config)) return transformer_policy(b, *c, in);
    if (const auto* c = std::get_if<UNet2DConditionConfig>(&config)) return unet2d_condition(b, *c, in);
    if (const auto* c = std::get_if<AutoencoderKLConfig>(&config)) return autoencoder_kl(b, *c, in.x);
  }
  if constexpr (DenseInterpreter<B>) {
    if (std::holds_alternative<VaeDenseConfig>(config))
      return decode(b, config, encode(b, config, in.x).mean);
  }
  fail("{}: has operators that this backend does not know", type_name(config));
}

/// Whether the network has latents.
bool is_autoencoder(const NetworkConfig& config);
/// Of what a picture x (N,C,H,W) becomes: (N,latent,h,w), or (N,latent) of a dense one. Error of a denoiser.
Shape latent_shape(const NetworkConfig& config, const Shape& x);
/// z is brought to unit variance by (z - shift) scale; of an autoencoder, else Error.
struct LatentScale {
  double scale = 1, shift = 0;
};
LatentScale latent_scale(const NetworkConfig& config);
void set_latent_scale(NetworkConfig& config, const LatentScale& scale);
/// The configuration of diffusers' autoencoder, nullptr of another network.
const AutoencoderKLConfig* autoencoder(const NetworkConfig& config);
/// The configuration of a classifier, nullptr of another network.
const ClassifierConfig* classifier(const NetworkConfig& config);

/// (N,C,H,W), or (N,C,L) of a network of sequences, of the network's input for a batch of n.
Shape input_shape(const NetworkConfig& config, int64_t n);
/// Whether the network's output has twice the channels of its input, the second half being a learned variance
/// (diffusion/variance.h).
bool learned_variance(const NetworkConfig& config);
/// Number of class embeddings, 0 if unconditional.
int64_t class_count(const NetworkConfig& config);
/// Width D of `global_cond` (N,D), 0 if the network takes none.
int64_t global_cond_dim(const NetworkConfig& config);

/// A condition beside the class labels: what the peer and our files call it, and its shape for a batch of n.
struct Condition {
  /// What may differ from `shape`: fewer tokens, or any number of them, in (N,S,D); any D in (N,D).
  enum class Freedom { none, fewer_tokens, any_tokens, any_width };
  std::string key;
  Shape shape;
  Freedom freedom = Freedom::none;
  bool required = true;
};
/// What the network takes of each; walked by diffusion/conditions.h.
struct Conditions {
  std::optional<Condition> global_cond, context, class_vectors, text_embeds, time_ids, timestep_cond;
};
Conditions conditions(const NetworkConfig& config, int64_t n);
/// "(3, S, 24)"; and whether `given` is such a condition.
std::string wanted_shape(const Condition& condition);
bool fits(const Condition& condition, const Shape& given);

/// The cost interpreter after one call on a batch of n at the configured size, with every condition given.
CostInterpreter cost_of(const NetworkConfig& config, int64_t n = 1);

}  // namespace langevin::nn
