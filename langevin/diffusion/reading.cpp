#include "langevin/diffusion/reading.h"

namespace langevin {
namespace {

/// Where x_0 or eps does not follow it is 0, as prediction.h has it.
void read_prediction(PredictionType type, Reading& r) {
  switch (type) {
    case PredictionType::epsilon:
      r.eps_y = 1;
      if (r.alpha > 0) r.x0_x = 1 / r.alpha, r.x0_y = -r.sigma / r.alpha;
      return;
    case PredictionType::sample:
      r.x0_y = 1;
      if (r.sigma > 0) r.eps_x = 1 / r.sigma, r.eps_y = -r.alpha / r.sigma;
      return;
    case PredictionType::v_prediction:
      r.x0_x = r.alpha, r.x0_y = -r.sigma;
      r.eps_x = r.sigma, r.eps_y = r.alpha;
      return;
  }
}

}  // namespace

Reading reading(const Target& target, double t) {
  const PathPoint at = target.path().at(t);
  Reading r;
  r.alpha = at.alpha;
  r.sigma = at.sigma;
  const Target::Input in = target.input(t);
  r.scale = in.scale;
  r.told = in.told;
  if (target.schedule()) {
    read_prediction(target.prediction(), r);
  } else if (target.config().kind == "edm") {
    const EdmCoefs c = edm_coefs(t, target.config().sigma_data);
    r.x0_x = c.skip, r.x0_y = c.out;
    r.eps_x = t * c.in * c.in, r.eps_y = -c.out / t;
  } else {
    r.x0_x = 1, r.x0_y = -t;
    r.eps_x = 1, r.eps_y = 1 - t;
  }
  return r;
}

}  // namespace langevin
