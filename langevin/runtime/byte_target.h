// How a step stores its result for an int8 product: scaled to bytes and framed by the zeros that a
// convolution pads with, so that the product itself pads nothing.
#pragma once

#include <vector>

#include "langevin/kernels/bytes.h"
#include "langevin/model/calibration.h"

namespace langevin::runtime {

struct ByteTarget {
  ByteTarget() = default;
  /// For pictures of rows of `w`.
  ByteTarget(const LayerCalibration& layer, int64_t w, Frame frame);
  /// To be filled at `at`. Valid as long as this.
  BytePicture picture(std::byte* at) const;

  int64_t w = 1;
  Frame frame;
  std::vector<float> gain, offset;
  std::vector<uint8_t> zero;
};

}  // namespace langevin::runtime
