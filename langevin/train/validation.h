// The bound in bits per dimension on examples that training never sees, measured now and then with the EMA
// weights: whether a run learns, and whether it begins to learn by heart.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>

#include "langevin/core/console.h"
#include "langevin/core/signals.h"
#include "langevin/data/dataset.h"
#include "langevin/model/bound_estimate.h"
#include "langevin/model/recipe.h"
#include "langevin/torch/interpreter.h"

namespace langevin {

class Validation {
 public:
  Validation(const Recipe& recipe, const ModelSpec& spec, std::shared_ptr<const Dataset> held_out,
             at::Device device);

  /// The same examples, draws and noise every time, so that figures of a run compare. `ema` is the flat
  /// buffer. Nothing if `stop` came meanwhile. Says the figure, and warns where it has not improved for long.
  std::optional<BoundTerm> measure(const at::Tensor& ema, const ModelSpec& spec, int64_t step,
                                   Console& console, const StopSignal& stop);

 private:
  BoundBatch batch(int64_t first, int64_t count) const;
  Recipe recipe_;
  std::shared_ptr<const Dataset> held_out_;
  ModelSpec spec_;
  at::Device device_;
  double best_ = 1e300;
  int64_t best_step_ = 0;
  bool warned_ = false;
};

nlohmann::json to_json(const BoundTerm& term);

}  // namespace langevin
