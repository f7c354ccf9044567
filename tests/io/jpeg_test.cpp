#include "langevin/io/jpeg.h"

#include <turbojpeg.h>

#include <algorithm>

#include "tests/io/image_samples.h"

namespace langevin {
namespace {

using namespace test;

/// A JPEG of any TurboJPEG pixel format, such as TJPF_CMYK.
Bytes turbo_jpeg(const Image& image, int format, int subsampling, int flags) {
  tjhandle handle = tjInitCompress();
  unsigned char* data = nullptr;
  unsigned long size = 0;
  EXPECT_EQ(tjCompress2(handle, image.pixels.data(), image.width, 0, image.height, format, &data, &size,
                        subsampling, 95, flags),
            0);
  const auto* first = reinterpret_cast<const std::byte*>(data);
  Bytes out(first, first + size);
  tjFree(data);
  tjDestroy(handle);
  return out;
}

Bytes with_segment(Bytes file, int marker, std::string_view data) {
  std::string segment = {'\xff', static_cast<char>(marker), static_cast<char>((data.size() + 2) >> 8),
                         static_cast<char>((data.size() + 2) & 255U)};
  segment += data;
  const Bytes inserted = to_bytes(segment);
  file.insert(file.begin() + 2, inserted.begin(), inserted.end());
  return file;
}

std::string exif(int orientation, bool little) {
  const char value = static_cast<char>(orientation);
  return little ? std::string("Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", 24) + value +
                      std::string(7, '\0')
                : std::string("Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", 25) + value +
                      std::string(6, '\0');
}

/// Left-top red, right-top green, left-bottom blue, right-bottom white.
Image corners(int width, int height) {
  Image image = make_image(width, height, 3);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const bool right = x >= width / 2, bottom = y >= height / 2;
      image.at(x, y, 0) = right == bottom ? 255 : 0;
      image.at(x, y, 1) = right ? 255 : 0;
      image.at(x, y, 2) = bottom ? 255 : 0;
    }
  }
  return image;
}

size_t find_marker(const Bytes& file, int marker, size_t from = 0) {
  for (size_t i = from; i + 1 < file.size(); ++i) {
    if (file[i] == std::byte{0xff} && file[i + 1] == static_cast<std::byte>(marker)) return i;
  }
  return file.size();
}

TEST(Jpeg, RoundTripIsClose) {
  for (const int channels : {1, 3}) {
    const Image image = smooth_image(61, 35, channels);
    const Image back = decode_jpeg(encode_jpeg(image, 95), "x");
    EXPECT_LT(mean_abs_difference(image, back), 2.0);
  }
  const Image gray = make_image(16, 16, 1, 77);
  EXPECT_EQ(decode_jpeg(encode_jpeg(gray, 100), "x").pixels, gray.pixels);
}

TEST(Jpeg, ColoursKeepTheirPlaces) {
  const Image image = corners(32, 16);
  const Image back = decode_jpeg(encode_jpeg(image, 100), "x");
  for (const auto& [x, y] : {std::pair{3, 3}, {28, 3}, {3, 12}, {28, 12}}) {
    for (int c = 0; c < 3; ++c) EXPECT_NEAR(back.at(x, y, c), image.at(x, y, c), 3);
  }
}

TEST(Jpeg, ProgressiveAndSubsampledFilesAreRead) {
  const Image image = smooth_image(61, 35, 3);
  for (const int sampling : {TJSAMP_444, TJSAMP_422, TJSAMP_420}) {
    const Bytes file = turbo_jpeg(image, TJPF_RGB, sampling, TJFLAG_PROGRESSIVE);
    EXPECT_LT(mean_abs_difference(image, decode_jpeg(file, "x")), 4.0);
  }
}

TEST(Jpeg, AdobeCmykBecomesRgb) {
  Image inks = make_image(16, 16, 4);  // inverted, as Adobe stores them: 255 is no ink
  for (size_t i = 0; i < inks.pixels.size(); i += 4) {
    inks.pixels[i] = 200;
    inks.pixels[i + 1] = 100;
    inks.pixels[i + 2] = 0;
    inks.pixels[i + 3] = 128;
  }
  const Bytes file = turbo_jpeg(inks, TJPF_CMYK, TJSAMP_444, 0);
  EXPECT_EQ(probe_jpeg(file, "x").channels, 3);
  const Image image = decode_jpeg(file, "x");
  EXPECT_EQ(image.channels, 3);
  EXPECT_NEAR(image.at(8, 8, 0), 100, 3);  // 200 * 128 / 255
  EXPECT_NEAR(image.at(8, 8, 1), 50, 3);
  EXPECT_NEAR(image.at(8, 8, 2), 0, 3);
}

TEST(Jpeg, ExifOrientationIsApplied) {
  // EXIF 2.3, table 4: on which side of the upright picture the stored row 0 and column 0 lie.
  struct Sides {
    char row0, column0;
  };
  const std::vector<Sides> table = {{'t', 'l'}, {'t', 'r'}, {'b', 'r'}, {'b', 'l'},
                                    {'l', 't'}, {'r', 't'}, {'r', 'b'}, {'l', 'b'}};
  const auto opposite = [](char side) {
    const std::string_view sides = "tblr", others = "btrl";
    return others[sides.find(side)];
  };
  const Image stored = corners(32, 16);
  const Bytes file = encode_jpeg(stored, 100);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    for (const bool little : {false, true}) {
      const Bytes turned = with_segment(file, 0xe1, exif(orientation, little));
      const Image upright = decode_jpeg(turned, "x");
      ASSERT_EQ(upright.width, orientation >= 5 ? 16 : 32);
      ASSERT_EQ(upright.height, orientation >= 5 ? 32 : 16);
      EXPECT_EQ(probe_jpeg(turned, "x").width, upright.width);
      const Sides sides = table[static_cast<size_t>(orientation - 1)];
      for (const bool last_row : {false, true}) {
        for (const bool last_column : {false, true}) {
          const std::string place = {last_row ? opposite(sides.row0) : sides.row0,
                                     last_column ? opposite(sides.column0) : sides.column0};
          const int x = place.find('r') != std::string::npos ? upright.width - 3 : 2;
          const int y = place.find('b') != std::string::npos ? upright.height - 3 : 2;
          for (int c = 0; c < 3; ++c) {
            EXPECT_NEAR(upright.at(x, y, c), stored.at(last_column ? 29 : 2, last_row ? 13 : 2, c), 4)
                << "orientation " << orientation << " at " << place;
          }
        }
      }
    }
  }
}

TEST(Jpeg, BrokenExifIsIgnored) {
  const Image image = corners(16, 16);
  const Bytes file = encode_jpeg(image);
  const std::string good = exif(6, true);
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(decode_error(with_segment(file, 0xe1, good.substr(0, size))), "");
  }
  for (size_t i = 6; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = '\xff';
    EXPECT_EQ(decode_error(with_segment(file, 0xe1, bad)), "");
  }
}

TEST(Jpeg, ScanBombIsRefused) {
  const Bytes file = turbo_jpeg(smooth_image(16, 16, 1), TJPF_GRAY, TJSAMP_GRAY, TJFLAG_PROGRESSIVE);
  size_t last = find_marker(file, 0xda);
  for (size_t next = last; next < file.size(); next = find_marker(file, 0xda, next + 1)) last = next;
  Bytes bomb = file;
  const auto at = static_cast<std::ptrdiff_t>(last);
  for (int i = 0; i < 100; ++i) bomb.insert(bomb.end() - 2, file.begin() + at, file.end() - 2);
  expect_refused(bomb, "more than 100 scans");
  EXPECT_EQ(decode_error(file), "");
}

TEST(Jpeg, HugeExtentsAreRefusedBeforeAllocation) {
  Bytes file = encode_jpeg(smooth_image(16, 16, 3));
  const size_t frame = find_marker(file, 0xc0);
  ASSERT_LT(frame, file.size());
  for (size_t i = 5; i < 9; ++i) file[frame + i] = std::byte{0xfa};
  expect_refused(file, "above the limit");
  for (size_t i = 5; i < 9; ++i) file[frame + i] = std::byte{0};
  expect_refused(file, "no pixels");
  file[frame + 4] = std::byte{12};
  expect_refused(file, "12 bits");
}

TEST(Jpeg, MissingEntropyDataIsAnError) {
  // The end marker is there, half of the picture is not: libjpeg would fill it with gray and only warn.
  Bytes file = encode_jpeg(noise_image(64, 64, 3));
  file.erase(file.begin() + static_cast<std::ptrdiff_t>(file.size() / 2), file.end() - 2);
  expect_refused(file, "damaged JPEG");
}

TEST(Jpeg, DamageIsRefusedOrRead) {
  const Bytes baseline = encode_jpeg(smooth_image(20, 12, 3));
  const Bytes progressive = turbo_jpeg(smooth_image(20, 12, 3), TJPF_RGB, TJSAMP_420, TJFLAG_PROGRESSIVE);
  for (const Bytes& file : {baseline, progressive}) {
    expect_truncations_refused(file);
    expect_survives_damage(file, 1000);
  }
}

TEST(Jpeg, RefusesAlphaAndBadQuality) {
  EXPECT_THROW(encode_jpeg(make_image(2, 2, 4)), Error);
  EXPECT_THROW(encode_jpeg(make_image(2, 2, 3), 0), Error);
  EXPECT_THROW(encode_jpeg(make_image(2, 2, 3), 101), Error);
}

}  // namespace
}  // namespace langevin
