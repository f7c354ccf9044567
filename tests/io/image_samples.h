// Pictures and hostile variations of their files, shared by the tests of the picture formats.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "langevin/core/check.h"
#include "langevin/io/image.h"

namespace langevin::test {

using Bytes = std::vector<std::byte>;

inline Bytes to_bytes(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

inline Image noise_image(int width, int height, int channels, unsigned seed = 1) {
  std::mt19937 generator(seed);
  Image image = make_image(width, height, channels);
  for (uint8_t& value : image.pixels) value = static_cast<uint8_t>(generator() & 255U);
  return image;
}

/// Slow waves in every channel: what lossy formats keep well.
inline Image smooth_image(int width, int height, int channels) {
  Image image = make_image(width, height, channels);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        image.at(x, y, c) = static_cast<uint8_t>(128 + 100 * std::sin(0.05 * (c + 1) * x + 0.07 * y + c));
      }
    }
  }
  return image;
}

inline double mean_abs_difference(const Image& a, const Image& b) {
  EXPECT_EQ(a.width, b.width);
  EXPECT_EQ(a.height, b.height);
  EXPECT_EQ(a.channels, b.channels);
  if (a.pixels.size() != b.pixels.size() || a.pixels.empty()) return 1e9;
  double sum = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(a.pixels[i] - b.pixels[i]);
  return sum / static_cast<double>(a.pixels.size());
}

/// The message of the Error that decoding throws, or "" if it succeeds.
inline std::string decode_error(std::span<const std::byte> bytes, const ImageLimits& limits = {}) {
  try {
    decode_image(bytes, "some/picture", limits);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// One line that starts with the file's name and contains `part`.
inline void expect_refused(std::span<const std::byte> bytes, std::string_view part,
                           const ImageLimits& limits = {}) {
  const std::string message = decode_error(bytes, limits);
  EXPECT_TRUE(message.starts_with("some/picture: ")) << "message: '" << message << "'";
  EXPECT_NE(message.find(part), std::string::npos) << "message: '" << message << "', expected: " << part;
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

/// Every proper beginning of the file is refused; what follows the end is ignored.
inline void expect_truncations_refused(const Bytes& file) {
  for (size_t size = 0; size < file.size(); ++size) {
    const Bytes head(file.begin(),
                     file.begin() + static_cast<std::ptrdiff_t>(size));  // its own heap block for ASan
    expect_refused(head, "");
    try {
      probe_image(head, "x");
    } catch (const Error&) {
    }
  }
}

/// Damaged bytes give a picture or an Error, nothing else.
inline void expect_survives_damage(const Bytes& file, int rounds) {
  std::mt19937 generator(7);
  const ImageLimits limits{.max_pixels = 1'000'000, .max_bytes = 16'000'000};
  for (int round = 0; round < rounds; ++round) {
    Bytes damaged = file;
    for (unsigned flips = 1 + generator() % 4; flips > 0; --flips) {
      damaged[generator() % damaged.size()] = static_cast<std::byte>(generator() & 255U);
    }
    try {
      const Image image = decode_image(damaged, "damaged", limits);
      check_image(image, "test");
    } catch (const Error& error) {
      EXPECT_EQ(std::string_view(error.what()).find('\n'), std::string_view::npos) << error.what();
    }
  }
}

}  // namespace langevin::test
