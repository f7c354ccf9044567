#include "langevin/runtime/random_weights.h"

#include <cmath>

#include "langevin/core/rng.h"

namespace langevin::runtime {

Weights random_weights(const nn::CostInterpreter& cost) {
  std::map<std::string, HostArrayF> values;
  uint64_t index = 0;
  for (const nn::ParameterSpec& p : cost.parameters()) {
    HostArrayF array(p.shape);
    fill_normal(array.data(), NoiseKey{0, index++, Purpose::weight_init, 0});
    const auto fan_in = static_cast<double>(array.size() / p.shape[0]);
    const auto scale = static_cast<float>(p.shape.size() > 1 ? 1 / std::sqrt(fan_in) : 0.1);
    for (float& v : array.data()) v *= scale;
    values.emplace(p.name, std::move(array));
  }
  return Weights(std::move(values));
}

}  // namespace langevin::runtime
