// Antialiased resizing, cutting and mirroring.
#pragma once

#include <cstdint>
#include <string>

#include "langevin/io/image.h"

namespace langevin {

enum class Filter { box, triangle, bicubic, lanczos3 };

/// Rows and columns of a picture.
struct Extent {
  int height = 0, width = 0;
  bool operator==(const Extent&) const = default;
};

/// A window in pixels, fractions allowed: pixel (y, x) covers [y, y+1) x [x, x+1).
struct Window {
  double top = 0, left = 0, height = 0, width = 0;
};

/// Separable convolution whose support grows with the reduction, so nothing aliases; float arithmetic,
/// rounded once at the end, weights renormalised at the edges (kernels: Keys 1981 with a = -1/2 for bicubic;
/// Duchon 1979 for Lanczos). RGBA is filtered premultiplied: hidden colours do not bleed. The target must
/// be 1..65535 each way.
Image resize(const Image& image, Extent target, Filter filter = Filter::lanczos3);
/// What lies under `window` at the target's size, as if all were resized and then cut (the kernel sees what
/// is outside of the window). Error if the window is empty or leaves the picture.
Image resize(const Image& image, const Window& window, Extent target, Filter filter = Filter::lanczos3);

/// The window of `size` at (top, left); Error if it leaves the picture.
Image crop(const Image& image, int top, int left, Extent size);
Image centre_crop(const Image& image, Extent size);
Image flip_horizontal(const Image& image);

/// The largest centred window of `image` with the aspect of `target`, then `zoom` times smaller: what fit =
/// crop sees.
Window centred_window(Extent image, Extent target, double zoom);
/// What `image` becomes when scaled, aspect kept, to just cover `target` times `zoom` (rounded to nearest).
Extent cover(Extent image, Extent target, double zoom);

/// "#rrggbb" or "#rgb". UsageError otherwise.
Colour parse_colour(const std::string& text);

}  // namespace langevin
