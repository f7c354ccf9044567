#include "langevin/sample/single_step.h"

namespace langevin {

int64_t repaint_calls(const SamplerConfig& config, const PointGrid& grid, const RepaintOptions& options) {
  const std::vector<int64_t> walk = repaint_walk(static_cast<int64_t>(grid.size()) - 1, options);
  int64_t calls = 0;
  for (size_t i = 0; i + 1 < walk.size(); ++i) {
    if (walk[i + 1] < walk[i]) continue;
    calls +=
        sampler_calls(config, {grid[static_cast<size_t>(walk[i])], grid[static_cast<size_t>(walk[i + 1])]});
  }
  return calls;
}

}  // namespace langevin
