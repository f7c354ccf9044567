#include "langevin/runtime/byte_target.h"

namespace langevin::runtime {

ByteTarget::ByteTarget(const LayerCalibration& layer, int64_t width, Frame around)
    : w(width), frame(around), offset(layer.zero.begin(), layer.zero.end()), zero(layer.zero) {
  for (float step : layer.step) gain.push_back(1 / step);
}

BytePicture ByteTarget::picture(std::byte* at) const {
  return {reinterpret_cast<uint8_t*>(at), w, frame, gain.data(), offset.data(), zero.data()};
}

}  // namespace langevin::runtime
