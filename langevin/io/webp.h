// WebP through libwebp: one still picture, lossy or lossless; animations are refused.
#pragma once

#include "langevin/io/image.h"

namespace langevin {

/// quality 0..100 for lossy; lossless keeps every pixel, also those under alpha 0. Gray is stored as RGB.
std::vector<std::byte> encode_webp(const Image& image, bool lossless = true, float quality = 90);

ImageInfo probe_webp(std::span<const std::byte> bytes, const std::string& name);
Image decode_webp(std::span<const std::byte> bytes, const std::string& name, const ImageLimits& limits = {});

}  // namespace langevin
