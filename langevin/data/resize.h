// Antialiased resizing, cutting and mirroring.
#pragma once

#include <cstdint>
#include <string>

#include "langevin/io/image.h"

namespace langevin {

enum class Filter { box, triangle, bicubic, lanczos3 };

/// Separable convolution whose support grows with the reduction, so nothing aliases; float arithmetic,
/// rounded once at the end, weights renormalised at the edges. RGBA is filtered premultiplied: hidden colours
/// do not bleed. Error unless the target is 1..65535 each way.
Image resize(const Image& image, int height, int width, Filter filter = Filter::lanczos3);

/// The window of height x width at (top, left); Error if it leaves the picture.
Image crop(const Image& image, int top, int left, int height, int width);
Image centre_crop(const Image& image, int height, int width);
Image flip_horizontal(const Image& image);

/// Rows and columns of a picture.
struct Extent {
  int height = 0, width = 0;
  bool operator==(const Extent&) const = default;
};
/// What `image` becomes when it is scaled, aspect kept, so that it just covers `target` (rounded to nearest).
Extent cover(const Extent& image, const Extent& target);

/// "#rrggbb" or "#rgb". UsageError otherwise.
Colour parse_colour(const std::string& text);

}  // namespace langevin
