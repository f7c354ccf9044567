// The periodic sample grids of a run, drawn with the EMA weights.
#pragma once

#include <filesystem>
#include <optional>

#include "langevin/core/signals.h"
#include "langevin/io/image.h"
#include "langevin/model/recipe.h"
#include "langevin/torch/interpreter.h"

namespace langevin {

class Preview {
 public:
  Preview(const Recipe& recipe, const ModelSpec& spec, at::Device device);
  /// Samples recipe.sample_count pictures, classes in turn, always from the same noise. `ema` is the flat
  /// buffer. Nothing if `stop` came meanwhile.
  std::optional<Image> draw(const at::Tensor& ema, const StopSignal& stop);

 private:
  Image draw_prior();  // of an autoencoder
  Recipe recipe_;
  ModelSpec spec_;
  Target target_;
  TorchNetwork network_;
};

}  // namespace langevin
