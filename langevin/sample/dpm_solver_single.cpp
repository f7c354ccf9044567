#include "langevin/sample/dpm_solver_single.h"

#include <cmath>

#include "langevin/core/check.h"

namespace langevin {
namespace {

/// A stage to fraction r (of the whole step's h) that adds, to the first answer, a slope of the difference of
/// the newest answer, asked at fraction `slope_at`, and the first.
DpmStage make_stage(const NoisePath& path, const PathPoint& from, const PathPoint& end, double r,
                    double slope, int64_t answers, ExponentialForm form) {
  const double h = end.lambda() - from.lambda();
  const PathPoint to = r == 1 ? end : path.at_lambda(from.lambda() + r * h);
  const ExponentialStep e = exponential_step(form, from, to);
  DpmStage stage{to, e.x, std::vector<double>(static_cast<size_t>(answers), 0.0)};
  stage.answers[0] = e.unit * e.moments[0];
  if (answers > 1) {
    // slope == 0: the midpoint rule of order 2, half of moments[0] over r1 = 1/2; else moments[1] over it.
    const double w = slope == 0 ? e.unit * e.moments[0] : e.unit * e.moments[1] * slope;
    stage.answers[0] -= w;
    stage.answers.back() += w;
  }
  return stage;
}

}  // namespace

std::vector<DpmStage> dpm_stages(const NoisePath& path, const PathPoint& from, const PathPoint& to,
                                 const DpmSingleOptions& options) {
  const bool plain = !(to.sigma > 0) || !(from.alpha > 0) || to == from;
  const auto stage = [&](double r, double slope, int64_t answers) {
    return make_stage(path, from, to, r, slope, answers, options.form);
  };
  if (plain || options.order == 1) return {stage(1, 0, 1)};
  if (options.order == 2) return {stage(0.5, 0, 1), stage(1, 0, 2)};
  // The slope is the difference over its distance, in units of the stage's own length: for the stage to 2/3
  // from answers 1/3 apart that is (2/3) / (1/3); for the last from answers 2/3 apart 1 / (2/3).
  return {stage(1.0 / 3, 0, 1), stage(2.0 / 3, 2, 2), stage(1, 1.5, 3)};
}

}  // namespace langevin
