#include "langevin/nn/classifier.h"

#include "langevin/nn/config_reader.h"

namespace langevin::nn {

ClassifierConfig validated(ClassifierConfig c) {
  c.encoder = validated(std::move(c.encoder));
  check(c.encoder.num_class_embeds == 0, "classifier", "its encoder takes no classes, got {} embeddings",
        c.encoder.num_class_embeds);
  check(c.num_classes >= 2 && c.num_classes <= 10'000'000, "classifier",
        "num_classes must be 2 to 10,000,000, got {}", c.num_classes);
  return c;
}

nlohmann::json to_json(const ClassifierConfig& c) {
  return {{"encoder", to_json(c.encoder)}, {"num_classes", c.num_classes}, {"noisy", c.noisy}};
}

ClassifierConfig classifier_config_from_json(const nlohmann::json& object, const std::string& source) {
  ClassifierConfig c;
  ConfigReader r(object, source);
  c.encoder = unet2d_config_from_json(r.take("encoder"), source);
  r.get("num_classes", c.num_classes);
  r.get("noisy", c.noisy);
  r.finish();
  return validated(std::move(c));
}

}  // namespace langevin::nn
