// PNG through libpng, with text chunks (tEXt for ASCII, iTXt for other UTF-8).
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "langevin/io/image.h"

namespace langevin {

/// Keyword (1 to 79 printable ASCII characters, no space at either end) and UTF-8 text without NUL.
using PngText = std::vector<std::pair<std::string, std::string>>;

/// Same image and text, same bytes. Error on a bad image, keyword or text.
std::vector<std::byte> encode_png(const Image& image, const PngText& text = {});
/// encode_png into a file that is whole or absent.
void write_png(const std::filesystem::path& path, const Image& image, const PngText& text = {});

ImageInfo probe_png(std::span<const std::byte> bytes, const std::string& name);
Image decode_png(std::span<const std::byte> bytes, const std::string& name, const ImageLimits& limits = {});
/// All text chunks (tEXt, zTXt, iTXt) in file order, as UTF-8. Text may follow the pixels, so that these are
/// read too, row by row.
PngText read_png_text(std::span<const std::byte> bytes, const std::string& name);

}  // namespace langevin
