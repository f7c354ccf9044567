// Animated GIF: one palette for the whole animation, frames stored as the rectangle that changed. The
// container and its LZW are giflib's.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "langevin/io/image.h"

namespace langevin {

/// At most `max_colours` (2..256) for the given pictures: all 256 grays when they are gray, exactly their
/// colours when those are few enough, else median cut (Heckbert 1982) refined by k-means on a 5-bit
/// histogram. RGBA is flattened over white.
std::vector<Colour> gif_palette(std::span<const Image> samples, int max_colours = 256);

/// Frames one by one into a sink; memory stays at about two frames whatever the length.
class GifWriter {
 public:
  using Sink = std::function<void(std::span<const std::byte>)>;

  /// 2 to 256 colours, 1 to 65535 pixels a side; `loop` repeats for ever, else the animation plays once.
  GifWriter(Sink sink, int width, int height, const std::vector<Colour>& palette, bool loop);
  ~GifWriter();
  GifWriter(const GifWriter&) = delete;
  GifWriter& operator=(const GifWriter&) = delete;

  /// One frame of the size given above, shown for `delay_ms` (rounded to 10 ms; at least 20, since viewers
  /// slow down below that). Each pixel takes the nearest palette colour.
  void add(const Image& frame, int delay_ms);
  /// Writes the trailer; without it the file is incomplete.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// One or more frames of one size.
std::vector<std::byte> encode_gif(const std::vector<Image>& frames, int delay_ms, bool loop);
/// encode_gif into a file that is whole or absent.
void write_gif(const std::filesystem::path& path, const std::vector<Image>& frames, int delay_ms, bool loop);

}  // namespace langevin
