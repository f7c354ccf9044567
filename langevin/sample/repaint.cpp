#include "langevin/sample/repaint.h"

#include "langevin/core/check.h"

namespace langevin {

void check_repaint(const RepaintOptions& options) {
  check(options.resample >= 1 && options.resample <= 1000, "repaint", "resample must be 1 to 1000, got {}",
        options.resample);
  check(options.jump >= 1 && options.jump <= 1'000'000, "repaint", "jump must be 1 to 10^6, got {}",
        options.jump);
}

std::vector<int64_t> repaint_walk(int64_t steps, const RepaintOptions& options) {
  check_repaint(options);
  check(steps >= 1, "repaint", "needs a step or more, got {}", steps);
  // The points that leaps start from: steps - 1, steps - 1 - jump, .., as long as the grid reaches above.
  std::vector<int64_t> left(static_cast<size_t>(steps) + 1, 0);
  for (int64_t i = steps - 1; i - options.jump >= 0; i -= options.jump)
    left[static_cast<size_t>(i)] = options.resample - 1;
  std::vector<int64_t> walk{0};
  while (walk.back() < steps) {
    int64_t& leaps = left[static_cast<size_t>(walk.back())];
    if (leaps > 0) {
      --leaps;
      walk.push_back(walk.back() - options.jump);
    } else {
      walk.push_back(walk.back() + 1);
    }
  }
  return walk;
}

}  // namespace langevin
