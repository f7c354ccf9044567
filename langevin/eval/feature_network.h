// The networks whose features metrics compare: pictures in, features out. A figure means something only
// together with the name of its network.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "langevin/eval/feature_tally.h"
#include "langevin/io/image.h"
#include "langevin/model/engine.h"

namespace langevin {

struct FeatureNetworkInfo {
  std::string name;  // "classifier runs/c", for people
  std::string hash;  // of what it computes: file and kind
  int64_t features = 0, classes = 0;
  int64_t height = 0, width = 0, channels = 0;  // what it sees; other pictures are brought to that
};

class FeatureNetwork {
 public:
  virtual ~FeatureNetwork() = default;
  virtual const FeatureNetworkInfo& info() const = 0;
  /// Pictures of any size and channel count, one row each. Error naming what is wrong with a picture.
  virtual FeatureBatch operator()(const std::vector<Image>& pictures) = 0;
};

/// A model's identity: the checksum in its file, else one over its tensors.
std::string model_hash(const ModelFile& model);
/// That of tensors which lie in a file without a checksum.
std::string tensors_hash(const TensorSet& tensors);

/// The features before a classifier's last layer (nn/classifier.h) and its class probabilities; a noisy one
/// is told that there is next to no noise. Pictures are brought to its size by antialiased resizing, its
/// channels as io/image.h does. `open` makes the engine. Error unless the model is a classifier.
std::unique_ptr<FeatureNetwork> classifier_network(
    ModelFile model, const std::string& name, const std::function<std::unique_ptr<Engine>(ModelFile)>& open);

/// features (B,D) weight^T + bias of weight (K,D), bias (K) or nothing: (B,K).
HostArrayF last_layer(const HostArrayF& features, const HostArrayF& weight, const HostArrayF& bias);

/// Rows of logits -> probabilities, in place.
void softmax_rows(HostArrayF& logits);

}  // namespace langevin
