#include "langevin/io/image.h"

#include <cstring>
#include <optional>

#include "langevin/core/check.h"
#include "langevin/io/jpeg.h"
#include "langevin/io/png.h"
#include "langevin/io/webp.h"

namespace langevin {
namespace {

bool has_bytes(std::span<const std::byte> bytes, size_t offset, std::string_view expected) {
  return bytes.size() >= offset + expected.size() &&
         std::memcmp(bytes.data() + offset, expected.data(), expected.size()) == 0;
}

std::optional<ImageFormat> format_of(std::span<const std::byte> bytes) {
  if (has_bytes(bytes, 0, "\x89PNG\r\n\x1a\n")) return ImageFormat::png;
  if (has_bytes(bytes, 0, "\xff\xd8\xff")) return ImageFormat::jpeg;
  if (has_bytes(bytes, 0, "RIFF") && has_bytes(bytes, 8, "WEBP")) return ImageFormat::webp;
  return std::nullopt;
}

/// The name of a well-known format that is not read, so that the message can say what the file is.
std::string_view foreign_format(std::span<const std::byte> bytes) {
  if (has_bytes(bytes, 0, "GIF8")) return "GIF";
  if (has_bytes(bytes, 0, "BM")) return "BMP";
  if (has_bytes(bytes, 0, std::string_view("II*\0", 4)) ||
      has_bytes(bytes, 0, std::string_view("MM\0*", 4))) {
    return "TIFF";
  }
  if (has_bytes(bytes, 4, "ftypavif") || has_bytes(bytes, 4, "ftypheic")) return "AVIF/HEIC";
  if (has_bytes(bytes, 0, "<svg") || has_bytes(bytes, 0, "<?xml")) return "SVG/XML";
  if (has_bytes(bytes, 0, "%PDF")) return "PDF";
  return "";
}

ImageFormat require_format(std::span<const std::byte> bytes, const std::string& name) {
  if (bytes.empty()) fail("{}: the file is empty", name);
  if (const auto format = format_of(bytes)) return *format;
  const std::string_view foreign = foreign_format(bytes);
  if (!foreign.empty()) fail("{}: {} is not read, convert it to PNG, JPEG or WebP", name, foreign);
  fail("{}: not a PNG, JPEG or WebP picture (told by its first bytes, whatever its name says)", name);
}

/// Names come from archives and listings too; a message must stay one line.
std::string printable(std::string name) {
  for (char& c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return name;
}

uint8_t luma(const uint8_t* rgb) {
  return static_cast<uint8_t>((299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] + 500) / 1000);
}

}  // namespace

std::string_view to_string(ImageFormat format) {
  switch (format) {
    case ImageFormat::png:
      return "png";
    case ImageFormat::jpeg:
      return "jpeg";
    case ImageFormat::webp:
      return "webp";
  }
  return "unknown";
}

Image make_image(int width, int height, int channels, uint8_t value) {
  check(width > 0 && height > 0, "make_image", "extents must be positive, got {} x {}", width, height);
  check(channels == 1 || channels == 3 || channels == 4, "make_image", "channels must be 1, 3 or 4, got {}",
        channels);
  const size_t size =
      static_cast<size_t>(width) * static_cast<size_t>(height) * static_cast<size_t>(channels);
  return {width, height, channels, std::vector<uint8_t>(size, value)};
}

void check_image(const Image& image, std::string_view function) {
  check(image.width > 0 && image.height > 0, function, "the image must have pixels, got {} x {}", image.width,
        image.height);
  check(image.channels == 1 || image.channels == 3 || image.channels == 4, function,
        "channels must be 1, 3 or 4, got {}", image.channels);
  const size_t expected = image.index(0, image.height, 0);
  check(image.pixels.size() == expected, function, "{} x {} x {} needs {} bytes of pixels, got {}",
        image.height, image.width, image.channels, expected, image.pixels.size());
}

void check_image_size(const std::string& name, int64_t width, int64_t height, int channels,
                      const ImageLimits& limits) {
  constexpr int64_t kSide = int64_t{1} << 30;
  if (width <= 0 || height <= 0) fail("{}: the picture has no pixels ({} x {})", name, width, height);
  if (width > kSide || height > kSide || width * height > limits.max_pixels) {
    fail("{}: {} x {} pixels are above the limit of {}, scale the picture down", name, width, height,
         limits.max_pixels);
  }
  const auto bytes = static_cast<uint64_t>(width * height) * static_cast<uint64_t>(channels);
  if (bytes > limits.max_bytes) {
    fail("{}: {} decoded bytes are above the limit of {}, scale the picture down", name, bytes,
         limits.max_bytes);
  }
}

void check_file_size(const std::string& name, size_t bytes, const ImageLimits& limits) {
  if (bytes > limits.max_bytes) {
    fail("{}: a picture file of {} bytes is above the limit of {}", name, bytes, limits.max_bytes);
  }
}

ImageInfo probe_image(std::span<const std::byte> bytes, const std::string& name) {
  const std::string shown = printable(name);
  switch (require_format(bytes, shown)) {
    case ImageFormat::png:
      return probe_png(bytes, shown);
    case ImageFormat::jpeg:
      return probe_jpeg(bytes, shown);
    case ImageFormat::webp:
      break;
  }
  return probe_webp(bytes, shown);
}

Image decode_image(std::span<const std::byte> bytes, const std::string& name, const ImageLimits& limits) {
  const std::string shown = printable(name);
  switch (require_format(bytes, shown)) {
    case ImageFormat::png:
      return decode_png(bytes, shown, limits);
    case ImageFormat::jpeg:
      return decode_jpeg(bytes, shown, limits);
    case ImageFormat::webp:
      break;
  }
  return decode_webp(bytes, shown, limits);
}

Image flatten(const Image& image, Colour background) {
  check_image(image, "flatten");
  if (image.channels != 4) return image;
  Image out = make_image(image.width, image.height, 3);
  const size_t count = image.pixels.size() / 4;
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* in = &image.pixels[4 * i];
    const int alpha = in[3];
    for (size_t c = 0; c < 3; ++c) {
      out.pixels[3 * i + c] =
          static_cast<uint8_t>((in[c] * alpha + background[c] * (255 - alpha) + 127) / 255);
    }
  }
  return out;
}

Image to_channels(const Image& image, int channels, Colour background) {
  check_image(image, "to_channels");
  check(channels == 1 || channels == 3 || channels == 4, "to_channels", "channels must be 1, 3 or 4, got {}",
        channels);
  if (image.channels == channels) return image;
  if (image.channels == 4) return to_channels(flatten(image, background), channels, background);
  Image out = make_image(image.width, image.height, channels, 255);
  const auto from = static_cast<size_t>(image.channels), to = static_cast<size_t>(channels);
  const size_t count = image.pixels.size() / from;
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* in = &image.pixels[from * i];
    uint8_t* pixel = &out.pixels[to * i];
    if (channels == 1) {
      pixel[0] = luma(in);
    } else {
      for (size_t c = 0; c < 3; ++c) pixel[c] = in[from == 1 ? 0 : c];
    }
  }
  return out;
}

}  // namespace langevin
