#include "langevin/model/pictures.h"

#include <algorithm>
#include <cmath>

namespace langevin {

std::vector<uint8_t> to_bytes(std::span<const float> sample, const Shape& shape, const ModelSpec& spec) {
  check(shape.size() == 3, "to_bytes", "needs a sample (C,H,W), got {}", to_string(shape));
  const auto channels = static_cast<size_t>(shape[0]), pixels = static_cast<size_t>(shape[1] * shape[2]);
  check(sample.size() == channels * pixels, "to_bytes", "a sample has {} values, its shape {}", sample.size(),
        to_string(shape));
  const double scale = spec.normaliser_scale, offset = spec.normaliser_offset;
  std::vector<uint8_t> bytes(sample.size());
  for (size_t c = 0; c < channels; ++c) {
    for (size_t p = 0; p < pixels; ++p) {
      const double value = static_cast<double>(sample[c * pixels + p]) * scale + offset;
      // A value that is not a number fails both comparisons of a clamp: it becomes black.
      bytes[p * channels + c] =
          value > 0 ? static_cast<uint8_t>(std::lround(std::min(value, 255.0))) : uint8_t{0};
    }
  }
  return bytes;
}

Image to_image(std::span<const float> sample, const Shape& shape, const ModelSpec& spec) {
  check(shape.size() == 3, "to_image", "needs a sample (C,H,W), got {}", to_string(shape));
  Shape shown = shape;
  if (shown[0] != 3 && shown[0] != 4) shown[0] = 1;
  return {static_cast<int>(shown[2]), static_cast<int>(shown[1]), static_cast<int>(shown[0]),
          to_bytes(sample.first(static_cast<size_t>(element_count(shown))), shown, spec)};
}

std::vector<Image> to_images(const HostArrayF& x, const ModelSpec& spec) {
  check(x.shape().size() == 4, "to_images", "needs (B,C,H,W), got {}", to_string(x.shape()));
  const Shape shape(x.shape().begin() + 1, x.shape().end());
  std::vector<Image> images;
  for (int64_t i = 0; i < x.batch(); ++i) images.push_back(to_image(x.sample(i), shape, spec));
  return images;
}

HostArrayF from_image(const Image& image, const ModelSpec& spec) {
  check_image(image, "from_image");
  HostArrayF x({1, image.channels, image.height, image.width});
  const auto channels = static_cast<size_t>(image.channels), pixels = image.pixels.size() / channels;
  for (size_t c = 0; c < channels; ++c) {
    for (size_t p = 0; p < pixels; ++p) {
      const double value = image.pixels[p * channels + c];
      x.data()[c * pixels + p] = static_cast<float>((value - spec.normaliser_offset) / spec.normaliser_scale);
    }
  }
  return x;
}

}  // namespace langevin
