#include "langevin/io/webp.h"

#include <webp/decode.h>
#include <webp/encode.h>

#include <cstring>

#include "langevin/core/check.h"

namespace langevin {
namespace {

const uint8_t* data_of(std::span<const std::byte> bytes) {
  return reinterpret_cast<const uint8_t*>(bytes.data());
}

struct Picture {
  WebPPicture picture;
  WebPMemoryWriter writer;

  Picture() {
    check(WebPPictureInit(&picture) != 0, "encode_webp", "libwebp has another version than its header");
    WebPMemoryWriterInit(&writer);
    picture.writer = WebPMemoryWrite;
    picture.custom_ptr = &writer;
  }
  ~Picture() {
    WebPPictureFree(&picture);
    WebPMemoryWriterClear(&writer);
  }
  Picture(const Picture&) = delete;
  Picture& operator=(const Picture&) = delete;
};

}  // namespace

std::vector<std::byte> encode_webp(const Image& image, bool lossless, float quality) {
  check_image(image, "encode_webp");
  check(image.width <= WEBP_MAX_DIMENSION && image.height <= WEBP_MAX_DIMENSION, "encode_webp",
        "a side may have at most {} pixels, got {} x {}", WEBP_MAX_DIMENSION, image.width, image.height);
  check(quality >= 0 && quality <= 100, "encode_webp", "quality must be within 0..100, got {}", quality);
  if (image.channels == 1) return encode_webp(to_channels(image, 3), lossless, quality);

  WebPConfig config;
  check(WebPConfigInit(&config) != 0, "encode_webp", "libwebp has another version than its header");
  config.lossless = lossless ? 1 : 0;
  config.quality = lossless ? 75 : quality;
  config.exact = 1;
  Picture target;
  target.picture.use_argb = lossless ? 1 : 0;
  target.picture.width = image.width;
  target.picture.height = image.height;
  const int stride = image.width * image.channels;
  const auto import = image.channels == 4 ? WebPPictureImportRGBA : WebPPictureImportRGB;
  const bool done =
      import(&target.picture, image.pixels.data(), stride) != 0 && WebPEncode(&config, &target.picture) != 0;
  check(done, "encode_webp", "libwebp error {}", static_cast<int>(target.picture.error_code));
  const auto* first = reinterpret_cast<const std::byte*>(target.writer.mem);
  return {first, first + target.writer.size};
}

ImageInfo probe_webp(std::span<const std::byte> bytes, const std::string& name) {
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(data_of(bytes), bytes.size(), &features);
  if (status == VP8_STATUS_NOT_ENOUGH_DATA) fail("{}: the WebP file is truncated", name);
  if (status != VP8_STATUS_OK)
    fail("{}: damaged WebP header (libwebp status {})", name, static_cast<int>(status));
  if (features.has_animation != 0)
    fail("{}: animated WebP is not read, save one frame as a still picture", name);
  return {ImageFormat::webp, features.width, features.height, features.has_alpha != 0 ? 4 : 3};
}

Image decode_webp(std::span<const std::byte> bytes, const std::string& name, const ImageLimits& limits) {
  check_file_size(name, bytes.size(), limits);
  const ImageInfo info = probe_webp(bytes, name);
  check_image_size(name, info.width, info.height, info.channels, limits);
  const uint8_t* data = data_of(bytes);
  if (std::memcmp(data, "RIFF", 4) != 0) fail("{}: WebP without its RIFF container", name);
  const uint64_t riff = data[4] | data[5] << 8 | data[6] << 16 | static_cast<uint64_t>(data[7]) << 24;
  if (riff + 8 > bytes.size())
    fail("{}: the WebP file is truncated ({} of {} bytes)", name, bytes.size(), riff + 8);

  Image image = make_image(info.width, info.height, info.channels);
  const auto decode = info.channels == 4 ? WebPDecodeRGBAInto : WebPDecodeRGBInto;
  const int stride = info.width * info.channels;
  if (decode(data, bytes.size(), image.pixels.data(), image.pixels.size(), stride) == nullptr) {
    fail("{}: damaged WebP data", name);
  }
  return image;
}

}  // namespace langevin
