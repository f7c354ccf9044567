#include "langevin/nn/inception_v3.h"

namespace langevin::nn {

PictureCost inception_v3_cost(const Shape& picture) {
  PictureCost cost;
  inception_v3(cost, picture);
  return cost;
}

}  // namespace langevin::nn
