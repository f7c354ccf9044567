// A classifier of pictures that knows how noisy they are: the left half of a U-Net and its middle with the
// timestep in every block, the mean over positions, one linear layer. The classifier of guidance (Dhariwal &
// Nichol 2021, arXiv:2105.05233, section 4.1, with their attention pooling left out), and a source of
// features.
//
// Names of parameters are those of UNet2DModel, then `head`.
#pragma once

#include "langevin/nn/unet2d.h"

namespace langevin::nn {

struct ClassifierConfig {
  UNet2DConfig encoder;     // up_block_types and out_channels play no part; num_class_embeds is 0
  int64_t num_classes = 2;  // 2 to 10,000,000
  bool noisy = true;        // trained on x_t at every t, else on clean data with t = 0
};

/// Resolves automatic values and checks every field; Error names field and value.
ClassifierConfig validated(ClassifierConfig config);

/// {"encoder": {...UNet2DModel's keys}, "num_classes": .., "noisy": ..}, both ways; reading refuses by name
/// every key that is not honoured.
nlohmann::json to_json(const ClassifierConfig& config);
ClassifierConfig classifier_config_from_json(const nlohmann::json& json, const std::string& source);

/// Width D of the features.
inline int64_t feature_count(const ClassifierConfig& config) {
  return config.encoder.block_out_channels.back();
}

/// The features (N,D) that the last layer sees. `config` must be validated.
template <class B>
typename B::Value classifier_features(B& b, const ClassifierConfig& c, const Inputs<typename B::Value>& in) {
  const UNet2DConfig& e = c.encoder;
  const auto encoded = unet2d_encoder(b, e, in);
  return b.mean_positions(b.group_norm(encoded.h, "conv_norm_out", {e.norm_num_groups, e.norm_eps, true}));
}

/// Logits (N,num_classes). `config` must be validated.
template <class B>
typename B::Value classifier_logits(B& b, const ClassifierConfig& c, const Inputs<typename B::Value>& in) {
  return b.linear(classifier_features(b, c, in), "head", {.out = c.num_classes});
}

}  // namespace langevin::nn
