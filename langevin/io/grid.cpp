#include "langevin/io/grid.h"

#include <algorithm>
#include <cmath>

#include "langevin/core/check.h"

namespace langevin {

Image make_grid(const std::vector<Image>& images, int columns, int padding, Colour background) {
  check(!images.empty(), "make_grid", "needs at least one picture");
  check(columns >= 0, "make_grid", "columns must not be negative, got {}", columns);
  check(padding >= 0 && padding <= 1024, "make_grid", "padding must be within 0..1024, got {}", padding);
  const int width = images[0].width, height = images[0].height;
  int channels = background[0] == background[1] && background[1] == background[2] ? 1 : 3;
  for (const Image& image : images) {
    check_image(image, "make_grid");
    check(image.width == width && image.height == height, "make_grid",
          "all pictures must have one size, got {} x {} and {} x {}", width, height, image.width,
          image.height);
    channels = std::max(channels, image.channels);
  }
  const auto count = static_cast<int64_t>(images.size());
  int64_t across =
      columns > 0 ? columns : static_cast<int64_t>(std::ceil(std::sqrt(static_cast<double>(count))));
  across = std::min(across, count);
  const int64_t down = (count + across - 1) / across;
  const int64_t total_width = across * (width + padding) + padding,
                total_height = down * (height + padding) + padding;
  check_image_size("make_grid", total_width, total_height, channels,
                   {.max_pixels = int64_t{1} << 29, .max_bytes = size_t{1} << 31});

  Image empty = make_image(1, 1, 3);
  std::copy(background.begin(), background.end(), empty.pixels.begin());
  empty = to_channels(empty, channels);
  Image grid = make_image(static_cast<int>(total_width), static_cast<int>(total_height), channels);
  for (size_t i = 0; i < grid.pixels.size(); ++i) grid.pixels[i] = empty.pixels[i % empty.pixels.size()];
  for (int64_t i = 0; i < count; ++i) {
    const Image cell = to_channels(images[static_cast<size_t>(i)], channels);
    const auto left = static_cast<int>(padding + i % across * (width + padding));
    const auto top = static_cast<int>(padding + i / across * (height + padding));
    for (int y = 0; y < height; ++y) {
      std::copy_n(&cell.pixels[cell.index(0, y, 0)], cell.index(width, 0, 0),
                  &grid.pixels[grid.index(left, top + y, 0)]);
    }
  }
  return grid;
}

Image upscale_nearest(const Image& image, int factor) {
  check_image(image, "upscale_nearest");
  check(factor >= 1 && factor <= 4096, "upscale_nearest", "factor must be within 1..4096, got {}", factor);
  check_image_size("upscale_nearest", int64_t{image.width} * factor, int64_t{image.height} * factor,
                   image.channels, {.max_pixels = int64_t{1} << 29, .max_bytes = size_t{1} << 31});
  Image out = make_image(image.width * factor, image.height * factor, image.channels);
  for (int y = 0; y < out.height; ++y) {
    for (int x = 0; x < out.width; ++x) {
      for (int c = 0; c < out.channels; ++c) out.at(x, y, c) = image.at(x / factor, y / factor, c);
    }
  }
  return out;
}

}  // namespace langevin
