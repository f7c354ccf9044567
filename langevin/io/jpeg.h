// JPEG through TurboJPEG. A warning of the decoder (truncated or damaged data) is an error.
#pragma once

#include "langevin/io/image.h"

namespace langevin {

/// quality 1..100; 4:4:4 chroma; gray stays gray, alpha is refused (flatten first).
std::vector<std::byte> encode_jpeg(const Image& image, int quality = 92);

ImageInfo probe_jpeg(std::span<const std::byte> bytes, const std::string& name);
/// Gray or RGB; CMYK and YCCK become RGB; EXIF orientation applied; files of more than 100 scans are refused,
/// since a small progressive file can otherwise hold a decoder for minutes.
Image decode_jpeg(std::span<const std::byte> bytes, const std::string& name, const ImageLimits& limits = {});

}  // namespace langevin
