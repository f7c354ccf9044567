#include "langevin/io/jpeg.h"

#include <turbojpeg.h>

#include <cstring>
#include <memory>

#include "langevin/core/check.h"

namespace langevin {
namespace {

constexpr int kMaxScans = 100;
constexpr int kSos = 0xda, kEoi = 0xd9, kSoi = 0xd8, kApp1 = 0xe1, kApp14 = 0xee;

struct Headers {
  int width = 0, height = 0, components = 0, orientation = 1, scans = 0;
  bool adobe = false;
};

int byte_at(std::span<const std::byte> bytes, size_t i) { return std::to_integer<int>(bytes[i]); }

bool starts_with(std::span<const std::byte> bytes, std::string_view text) {
  return bytes.size() >= text.size() && std::memcmp(bytes.data(), text.data(), text.size()) == 0;
}

/// A start-of-frame marker; C4, C8 and CC are tables in between.
bool is_frame(int marker) {
  return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

/// EXIF tag 0x0112 of the first directory (TIFF 6.0, section 2; EXIF 2.3, table 4), or 1 if there is none.
int exif_orientation(std::span<const std::byte> segment) {
  if (!starts_with(segment, std::string_view("Exif\0\0", 6))) return 1;
  const auto tiff = segment.subspan(6);
  const bool little = starts_with(tiff, "II");
  if (!little && !starts_with(tiff, "MM")) return 1;
  const auto read = [&](size_t at, size_t count) {
    uint64_t value = 0;
    for (size_t i = 0; i < count; ++i) {
      value = value << 8 | static_cast<uint64_t>(byte_at(tiff, little ? at + count - 1 - i : at + i));
    }
    return value;
  };
  if (tiff.size() < 10 || read(2, 2) != 42) return 1;
  const uint64_t directory = read(4, 4);
  if (directory > tiff.size() - 2) return 1;
  const uint64_t entries = read(directory, 2);
  for (uint64_t i = 0; i < entries; ++i) {
    const uint64_t entry = directory + 2 + 12 * i;
    if (entry + 12 > tiff.size()) return 1;
    if (read(entry, 2) != 0x0112) continue;
    const uint64_t value = read(entry + 8, 2);
    const bool is_short = read(entry + 2, 2) == 3 && read(entry + 4, 4) == 1;
    return is_short && value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

/// Position of the next marker after entropy-coded data: stuffed zeros and restart markers belong to the
/// data.
size_t skip_entropy(std::span<const std::byte> bytes, size_t at) {
  while (at + 1 < bytes.size()) {
    const void* found = std::memchr(bytes.data() + at, 0xff, bytes.size() - at - 1);
    if (found == nullptr) break;
    at = static_cast<size_t>(static_cast<const std::byte*>(found) - bytes.data());
    const int next = byte_at(bytes, at + 1);
    if (next == 0xff) {
      at += 1;  // fill byte: this 0xff may start the marker
    } else if (next == 0 || (next >= 0xd0 && next <= 0xd7)) {
      at += 2;
    } else {
      return at;
    }
  }
  return bytes.size();
}

void read_segment(int marker, std::span<const std::byte> segment, const std::string& name, Headers& headers) {
  if (is_frame(marker)) {
    if (headers.components != 0) fail("{}: damaged JPEG, two frame headers", name);
    if (segment.size() < 6) fail("{}: damaged JPEG, short frame header", name);
    if (byte_at(segment, 0) != 8) fail("{}: JPEG of {} bits is not read", name, byte_at(segment, 0));
    headers.height = byte_at(segment, 1) << 8 | byte_at(segment, 2);
    headers.width = byte_at(segment, 3) << 8 | byte_at(segment, 4);
    headers.components = byte_at(segment, 5);
    if (headers.components != 1 && headers.components != 3 && headers.components != 4) {
      fail("{}: JPEG of {} components is not read", name, headers.components);
    }
  } else if (marker == kApp1 && headers.orientation == 1) {
    headers.orientation = exif_orientation(segment);
  } else if (marker == kApp14 && starts_with(segment, "Adobe")) {
    headers.adobe = true;
  }
}

/// Walks the markers (ITU-T T.81, annex B): to the first scan, or through the whole file to count the scans.
Headers read_headers(std::span<const std::byte> bytes, const std::string& name, bool whole_file) {
  if (!starts_with(bytes, "\xff\xd8")) fail("{}: not a JPEG file", name);
  Headers headers;
  size_t at = 2;
  for (;;) {
    while (at + 1 < bytes.size() && byte_at(bytes, at) == 0xff && byte_at(bytes, at + 1) == 0xff) ++at;
    if (at + 2 > bytes.size()) fail("{}: the JPEG file is truncated", name);
    if (byte_at(bytes, at) != 0xff) fail("{}: damaged JPEG, no marker at byte {}", name, at);
    const int marker = byte_at(bytes, at + 1);
    at += 2;
    if (marker == kEoi) break;
    if (marker == kSoi || marker == 0)
      fail("{}: damaged JPEG, marker {:#x} at byte {}", name, marker, at - 2);
    if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd7)) continue;
    if (at + 2 > bytes.size()) fail("{}: the JPEG file is truncated", name);
    const auto length = static_cast<size_t>(byte_at(bytes, at) << 8 | byte_at(bytes, at + 1));
    if (length < 2) fail("{}: damaged JPEG, segment length {} at byte {}", name, length, at);
    if (at + length > bytes.size()) fail("{}: the JPEG file is truncated", name);
    read_segment(marker, bytes.subspan(at + 2, length - 2), name, headers);
    at += length;
    if (marker != kSos) continue;
    if (!whole_file) break;
    if (++headers.scans > kMaxScans) fail("{}: JPEG of more than {} scans is refused", name, kMaxScans);
    at = skip_entropy(bytes, at);
  }
  if (headers.components == 0) fail("{}: damaged JPEG, no frame header before the data", name);
  return headers;
}

struct CloseTurbo {
  void operator()(void* handle) const { tjDestroy(handle); }
};
using Turbo = std::unique_ptr<void, CloseTurbo>;

Image decode_as(std::span<const std::byte> bytes, const std::string& name, const Headers& headers,
                int channels, int format) {
  Turbo turbo(tjInitDecompress());
  if (!turbo) fail("{}: libturbojpeg cannot be started", name);
  Image image{headers.width, headers.height, channels, {}};
  image.pixels.resize(image.index(0, headers.height, 0));
  const int status =
      tjDecompress2(turbo.get(), reinterpret_cast<const unsigned char*>(bytes.data()),
                    static_cast<unsigned long>(bytes.size()), image.pixels.data(), headers.width, 0,
                    headers.height, format, TJFLAG_STOPONWARNING | TJFLAG_ACCURATEDCT);
  if (status != 0) fail("{}: damaged JPEG, {}", name, tjGetErrorStr2(turbo.get()));
  return image;
}

/// Device-independent textbook conversion, R = 255 (1-C)(1-K); Adobe's files hold the inverted inks.
Image cmyk_to_rgb(const Image& cmyk, bool inverted) {
  Image rgb = make_image(cmyk.width, cmyk.height, 3);
  const size_t count = rgb.pixels.size() / 3;
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* ink = &cmyk.pixels[4 * i];
    const int key = inverted ? ink[3] : 255 - ink[3];
    for (size_t c = 0; c < 3; ++c) {
      const int light = inverted ? ink[c] : 255 - ink[c];
      rgb.pixels[3 * i + c] = static_cast<uint8_t>((light * key + 127) / 255);
    }
  }
  return rgb;
}

/// Turns the stored picture upright; orientations as in EXIF: 2..4 mirror or turn, 5..8 also swap the axes.
Image orient(const Image& in, int orientation) {
  if (orientation == 1) return in;
  const bool swap = orientation >= 5;
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image out = make_image(swap ? in.height : in.width, swap ? in.width : in.height, in.channels);
  for (int y = 0; y < out.height; ++y) {
    for (int x = 0; x < out.width; ++x) {
      const int from_x = swap ? y : x, from_y = swap ? x : y;
      const size_t from =
          in.index(flip_x ? in.width - 1 - from_x : from_x, flip_y ? in.height - 1 - from_y : from_y, 0);
      for (int c = 0; c < in.channels; ++c) out.at(x, y, c) = in.pixels[from + static_cast<size_t>(c)];
    }
  }
  return out;
}

}  // namespace

std::vector<std::byte> encode_jpeg(const Image& image, int quality) {
  check_image(image, "encode_jpeg");
  check(image.channels != 4, "encode_jpeg", "JPEG has no alpha, flatten the picture first");
  check(quality >= 1 && quality <= 100, "encode_jpeg", "quality must be within 1..100, got {}", quality);
  check(image.width <= 65500 && image.height <= 65500, "encode_jpeg",
        "a side may have at most 65500 pixels, got {} x {}", image.width, image.height);
  Turbo turbo(tjInitCompress());
  check(turbo != nullptr, "encode_jpeg", "libturbojpeg cannot be started");
  const bool gray = image.channels == 1;
  unsigned char* data = nullptr;
  unsigned long size = 0;
  const int status =
      tjCompress2(turbo.get(), image.pixels.data(), image.width, 0, image.height, gray ? TJPF_GRAY : TJPF_RGB,
                  &data, &size, gray ? TJSAMP_GRAY : TJSAMP_444, quality, TJFLAG_ACCURATEDCT);
  const std::unique_ptr<unsigned char, void (*)(unsigned char*)> owner(data, tjFree);
  check(status == 0, "encode_jpeg", "{}", tjGetErrorStr2(turbo.get()));
  const auto* first = reinterpret_cast<const std::byte*>(data);
  return {first, first + size};
}

ImageInfo probe_jpeg(std::span<const std::byte> bytes, const std::string& name) {
  const Headers headers = read_headers(bytes, name, false);
  const bool swap = headers.orientation >= 5;
  return {ImageFormat::jpeg, swap ? headers.height : headers.width, swap ? headers.width : headers.height,
          headers.components == 1 ? 1 : 3};
}

Image decode_jpeg(std::span<const std::byte> bytes, const std::string& name, const ImageLimits& limits) {
  check_file_size(name, bytes.size(), limits);
  const Headers headers = read_headers(bytes, name, true);
  check_image_size(name, headers.width, headers.height, headers.components, limits);
  switch (headers.components) {
    case 1:
      return orient(decode_as(bytes, name, headers, 1, TJPF_GRAY), headers.orientation);
    case 3:
      return orient(decode_as(bytes, name, headers, 3, TJPF_RGB), headers.orientation);
    default:
      return orient(cmyk_to_rgb(decode_as(bytes, name, headers, 4, TJPF_CMYK), headers.adobe),
                    headers.orientation);
  }
}

}  // namespace langevin
