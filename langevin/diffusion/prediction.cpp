#include "langevin/diffusion/prediction.h"

#include "langevin/core/config.h"

namespace langevin {

std::vector<std::string> prediction_types() { return {"epsilon", "sample", "v_prediction"}; }

std::string to_string(PredictionType type) { return prediction_types().at(static_cast<size_t>(type)); }

PredictionType prediction_type(const std::string& name) {
  const auto names = prediction_types();
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<PredictionType>(i);
  }
  throw Error(unknown_name("prediction type", name, names));
}

}  // namespace langevin
