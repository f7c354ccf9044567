#include "langevin/model/pictures.h"

#include <algorithm>
#include <cmath>

namespace langevin {

std::vector<Image> to_images(const HostArrayF& x) {
  check(x.shape().size() == 4, "to_images", "needs (B,C,H,W), got {}", to_string(x.shape()));
  const int64_t channels = x.shape()[1], height = x.shape()[2], width = x.shape()[3], plane = height * width;
  const int64_t shown = channels == 3 || channels == 4 ? channels : 1;
  std::vector<Image> images;
  for (int64_t i = 0; i < x.batch(); ++i) {
    const auto sample = x.sample(i);
    Image image{static_cast<int>(width), static_cast<int>(height), static_cast<int>(shown), {}};
    image.pixels.resize(static_cast<size_t>(shown * plane));
    for (int64_t c = 0; c < shown; ++c) {
      for (int64_t p = 0; p < plane; ++p) {
        const float value =
            std::clamp(sample[static_cast<size_t>(c * plane + p)] * 127.5F + 127.5F, 0.0F, 255.0F);
        // NaN fails both comparisons of clamp; it shows as black.
        image.pixels[static_cast<size_t>(p * shown + c)] =
            std::isnan(value) ? 0 : static_cast<uint8_t>(std::lround(value));
      }
    }
    images.push_back(std::move(image));
  }
  return images;
}

}  // namespace langevin
