// Between what a model makes and 8-bit pictures.
#pragma once

#include <span>
#include <vector>

#include "langevin/core/array.h"
#include "langevin/io/image.h"
#include "langevin/model/spec.h"

namespace langevin {

/// One sample (C,H,W) as 8-bit values, HWC: round(clamp(x scale + offset, 0, 255)) with the model's
/// normaliser; what is not a number becomes 0.
std::vector<uint8_t> to_bytes(std::span<const float> sample, const Shape& shape, const ModelSpec& spec);

/// The same as a picture. Other channel counts than 1, 3 and 4 show their first channel in gray.
Image to_image(std::span<const float> sample, const Shape& shape, const ModelSpec& spec);

/// A batch (B,C,H,W) of them.
std::vector<Image> to_images(const HostArrayF& x, const ModelSpec& spec);

/// A picture as the model sees it, (1,C,H,W) of the picture's own extents: (value - offset) / scale, which
/// to_bytes() takes back exactly.
HostArrayF from_image(const Image& image, const ModelSpec& spec);

}  // namespace langevin
