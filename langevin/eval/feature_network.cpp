#include "langevin/eval/feature_network.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "langevin/core/checksum.h"
#include "langevin/data/resize.h"
#include "langevin/model/classifier.h"

namespace langevin {
namespace {

class ClassifierNetwork final : public FeatureNetwork {
 public:
  ClassifierNetwork(ModelFile model, const std::string& name,
                    const std::function<std::unique_ptr<Engine>(ModelFile)>& open)
      : spec_(model.spec), told_(clean_input(model.spec)) {
    const nn::ClassifierConfig& c = *nn::classifier(spec_.network);
    const Shape input = nn::input_shape(spec_.network, 1);
    info_ = {name, model_hash(model), nn::feature_count(c), c.num_classes, input[2], input[3], input[1]};
    weight_ = model.tensor("head.weight");
    bias_ = model.tensor("head.bias");
    engine_ = open(std::move(model));
  }
  const FeatureNetworkInfo& info() const override { return info_; }

  FeatureBatch operator()(const std::vector<Image>& pictures) override {
    const auto n = static_cast<int64_t>(pictures.size());
    HostArrayF x({n, info_.channels, info_.height, info_.width});
    for (int64_t i = 0; i < n; ++i) put(pictures[static_cast<size_t>(i)], x.sample(i));
    FeatureBatch batch;
    batch.features = engine_->features(x, std::vector<double>(pictures.size(), told_.told));
    batch.probabilities = last_layer(batch.features, weight_, bias_);
    softmax_rows(batch.probabilities);
    return batch;
  }

 private:
  void put(const Image& picture, std::span<float> out) const {
    Image image = to_channels(picture, static_cast<int>(info_.channels));
    const Extent wanted{static_cast<int>(info_.height), static_cast<int>(info_.width)};
    if (image.height != wanted.height || image.width != wanted.width) image = resize(image, wanted);
    const auto pixels = static_cast<size_t>(info_.height * info_.width);
    const double scale = told_.scale / spec_.normaliser_scale;
    for (size_t p = 0; p < pixels; ++p) {
      for (size_t c = 0; c < static_cast<size_t>(info_.channels); ++c) {
        const double value = image.pixels[p * static_cast<size_t>(info_.channels) + c];
        out[c * pixels + p] = static_cast<float>((value - spec_.normaliser_offset) * scale);
      }
    }
  }

  ModelSpec spec_;
  Target::Input told_;
  FeatureNetworkInfo info_;
  HostArrayF weight_, bias_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace

std::string tensors_hash(const TensorSet& tensors) {
  Xxh3 hash;
  for (const std::string& name : tensors.names()) {
    const TensorView& tensor = tensors.at(name);
    hash.update(name + to_string(tensor.shape));
    hash.update(tensor.bytes);
  }
  return hash.hex();
}

std::string model_hash(const ModelFile& model) {
  const std::string stored = model.metadata("xxh3");
  return stored.empty() ? tensors_hash(model.weights) : stored;
}

std::unique_ptr<FeatureNetwork> classifier_network(
    ModelFile model, const std::string& name, const std::function<std::unique_ptr<Engine>(ModelFile)>& open) {
  check(nn::classifier(model.spec.network) != nullptr, name,
        "is no classifier; train one on labelled pictures with langevin train --task classifier");
  return std::make_unique<ClassifierNetwork>(std::move(model), name, open);
}

HostArrayF last_layer(const HostArrayF& features, const HostArrayF& weight, const HostArrayF& bias) {
  const int64_t classes = weight.batch();
  check(features.sample_size() == weight.sample_size(), "last_layer", "{} features, weights for {}",
        features.sample_size(), weight.sample_size());
  HostArrayF logits({features.batch(), classes});
  for (int64_t i = 0; i < features.batch(); ++i) {
    const auto f = features.sample(i);
    for (int64_t k = 0; k < classes; ++k) {
      double sum = bias.size() > 0 ? bias[k] : 0;
      const auto w = weight.sample(k);
      for (size_t d = 0; d < f.size(); ++d) sum += static_cast<double>(w[d]) * f[d];
      logits.sample(i)[static_cast<size_t>(k)] = static_cast<float>(sum);
    }
  }
  return logits;
}

void softmax_rows(HostArrayF& logits) {
  for (int64_t i = 0; i < logits.batch(); ++i) {
    const auto row = logits.sample(i);
    const float largest = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (float& value : row) sum += value = std::exp(value - largest);
    for (float& value : row) value = static_cast<float>(value / sum);
  }
}

}  // namespace langevin
