// Pictures on plain memory: the format is told by the contents, never by the file name, and every size is
// checked before memory is taken for it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace langevin {

/// 8 bits a channel, sRGB as stored, row-major height x width x channels without padding.
struct Image {
  int width = 0;
  int height = 0;
  int channels = 0;  // 1 gray, 3 RGB, 4 RGBA (alpha not premultiplied)
  std::vector<uint8_t> pixels = {};

  uint8_t& at(int x, int y, int c) { return pixels[index(x, y, c)]; }
  uint8_t at(int x, int y, int c) const { return pixels[index(x, y, c)]; }
  size_t index(int x, int y, int c) const {
    return (static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x)) *
               static_cast<size_t>(channels) +
           static_cast<size_t>(c);
  }
};

/// A picture of one colour value; Error unless the extents are positive and channels is 1, 3 or 4.
Image make_image(int width, int height, int channels, uint8_t value = 0);

/// Throws Error "function: ..." unless extents, channels and the pixel count agree with each other.
void check_image(const Image& image, std::string_view function);

/// What a decoder may take from an untrusted file.
struct ImageLimits {
  int64_t max_pixels = 64'000'000;       // width x height
  size_t max_bytes = size_t{256} << 20;  // of the file, and (separately) of the decoded pixels
};

/// What every decoder asks before it takes memory: positive extents, and pixels and bytes within the limits.
/// Error "name: ..." otherwise.
void check_image_size(const std::string& name, int64_t width, int64_t height, int channels,
                      const ImageLimits& limits);
/// Error "name: ..." if the file itself is above limits.max_bytes.
void check_file_size(const std::string& name, size_t bytes, const ImageLimits& limits);

enum class ImageFormat { png, jpeg, webp };
std::string_view to_string(ImageFormat format);

/// What decode_image would return, read from the headers alone.
struct ImageInfo {
  ImageFormat format = ImageFormat::png;
  int width = 0;
  int height = 0;
  int channels = 0;
};

/// Format, extents (after EXIF orientation) and channels without decoding. Error "name: ..." if it is no
/// picture.
ImageInfo probe_image(std::span<const std::byte> bytes, const std::string& name = "image");

/// Decodes PNG, JPEG or WebP. 16 bits become 8, palettes and gray+alpha become RGB/RGBA, CMYK JPEG becomes
/// RGB, EXIF orientation is applied. Error (one line that starts with `name`) if the bytes are empty,
/// unknown, truncated, damaged, animated WebP or above the limits.
Image decode_image(std::span<const std::byte> bytes, const std::string& name, const ImageLimits& limits = {});

using Colour = std::array<uint8_t, 3>;

/// Blends RGBA over an opaque background; RGB and gray come back as they are.
Image flatten(const Image& image, Colour background);

/// 1, 3 or 4 channels. Alpha is flattened over `background` unless 4 are asked for; gray is Rec. 601 luma,
/// (299 R + 587 G + 114 B + 500) / 1000; missing alpha is opaque.
Image to_channels(const Image& image, int channels, Colour background = {255, 255, 255});

}  // namespace langevin
