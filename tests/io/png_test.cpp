#include "langevin/io/png.h"

#include <unistd.h>
#include <zlib.h>

#include "langevin/core/atomic_file.h"
#include "tests/io/image_samples.h"

namespace langevin {
namespace {

using namespace test;

std::string big_endian(uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 255U);
  return out;
}

std::string chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const auto crc = crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big_endian(static_cast<uint32_t>(data.size())) + body + big_endian(static_cast<uint32_t>(crc));
}

std::string deflated(const std::string& data) {
  std::string out(compressBound(data.size()), '\0');
  uLongf size = out.size();
  compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(data.data()),
           data.size());
  out.resize(size);
  return out;
}

struct Raw {
  uint32_t width = 1, height = 1;
  int depth = 8, colour_type = 0;
  bool interlaced = false;
  std::string before_data = {};  // chunks such as PLTE
  std::string rows = {};         // filter byte and samples of every row (of every pass)
  std::string after_data = {};
};

/// A PNG file laid out by hand (PNG specification, 3rd edition, section 11).
Bytes raw_png(const Raw& raw) {
  const std::string header = big_endian(raw.width) + big_endian(raw.height) + static_cast<char>(raw.depth) +
                             static_cast<char>(raw.colour_type) + std::string(2, '\0') +
                             static_cast<char>(raw.interlaced ? 1 : 0);
  return to_bytes("\x89PNG\r\n\x1a\n" + chunk("IHDR", header) + raw.before_data +
                  chunk("IDAT", deflated(raw.rows)) + raw.after_data + chunk("IEND", ""));
}

std::string row(std::initializer_list<int> samples) {
  std::string out(1, '\0');  // filter 0
  for (const int sample : samples) out += static_cast<char>(sample);
  return out;
}

std::string bytes(std::initializer_list<int> values) { return row(values).substr(1); }

using Pixels = std::vector<uint8_t>;

TEST(Png, RoundTripIsExact) {
  for (const int channels : {1, 3, 4}) {
    for (const auto& [width, height] : {std::pair{1, 1}, {37, 5}, {3, 200}}) {
      const Image image = noise_image(width, height, channels);
      const Image back = decode_png(encode_png(image), "x");
      EXPECT_EQ(back.width, width);
      EXPECT_EQ(back.height, height);
      EXPECT_EQ(back.channels, channels);
      EXPECT_EQ(back.pixels, image.pixels);
    }
  }
}

TEST(Png, SameImageSameBytes) {
  const Image image = noise_image(20, 20, 3);
  EXPECT_EQ(encode_png(image, {{"a", "b"}}), encode_png(image, {{"a", "b"}}));
}

TEST(Png, TextComesBack) {
  const PngText text = {{"langevin", R"({"seed": 7, "steps": 50})"},
                        {"prompt", "Käse, 猫 and a 🦊"},
                        {"empty", ""},
                        {"Two words", std::string(100'000, 'x')}};
  const Bytes file = encode_png(noise_image(9, 9, 3), text);
  EXPECT_EQ(read_png_text(file, "x"), text);
  const std::string_view raw(reinterpret_cast<const char*>(file.data()), file.size());
  EXPECT_NE(raw.find(std::string("tEXtlangevin\0{\"seed\"", 20)), std::string_view::npos);
  EXPECT_NE(raw.find(std::string("iTXtprompt\0\0\0\0\0K\xc3\xa4se", 20)), std::string_view::npos);
  EXPECT_EQ(decode_png(file, "x").pixels, noise_image(9, 9, 3).pixels);
  EXPECT_TRUE(read_png_text(encode_png(noise_image(9, 9, 3)), "x").empty());
}

TEST(Png, TextThatCannotBeStoredIsRefused) {
  const Image image = make_image(1, 1, 1);
  for (const std::string key : {"", " lead", "trail ", "two  spaces", "tab\t", "\xc3\xa4"}) {
    EXPECT_THROW(encode_png(image, {{key, "v"}}), Error) << key;
  }
  EXPECT_THROW(encode_png(image, {{std::string(80, 'k'), "v"}}), Error);
  EXPECT_THROW(encode_png(image, {{"k", std::string("a\0b", 3)}}), Error);
  EXPECT_THROW(encode_png(image, {{"k", std::string(5 << 20, 'a')}}), Error);
}

TEST(Png, ReadsLatin1CompressedAndTrailingText) {
  Raw raw{.rows = row({5})};
  raw.before_data = chunk("tEXt", std::string("Author\0Andr\xe9", 12)) +
                    chunk("zTXt", std::string("zip\0\0", 5) + deflated("packed text"));
  raw.after_data = chunk("tEXt", std::string("late\0after the data", 19));
  const PngText expected = {{"Author", "Andr\xc3\xa9"}, {"zip", "packed text"}, {"late", "after the data"}};
  EXPECT_EQ(read_png_text(raw_png(raw), "x"), expected);
}

TEST(Png, TextBombIsNotUnpacked) {
  Raw raw{.rows = row({5})};
  raw.before_data = chunk("zTXt", std::string("bomb\0\0", 6) + deflated(std::string(24 << 20, 'a')));
  size_t size = 0;
  try {
    for (const auto& [key, value] : read_png_text(raw_png(raw), "x")) size += value.size();
  } catch (const Error&) {
  }
  EXPECT_LT(size, size_t{9} << 20);
}

TEST(Png, SixteenBitsBecomeEight) {
  Raw raw{.width = 4, .depth = 16};
  raw.rows = row({0x00, 0x00, 0xff, 0xff, 0x80, 0x80, 0x12, 0xff});  // 0x12ff / 257 = 18.9
  EXPECT_EQ(decode_png(raw_png(raw), "x").pixels, (Pixels{0, 255, 128, 19}));
}

TEST(Png, PaletteBecomesRgbOrRgba) {
  Raw raw{.width = 3, .depth = 2, .colour_type = 3};
  raw.rows = row({0b00'01'10'00});
  raw.before_data = chunk("PLTE", bytes({1, 2, 3, 40, 50, 60, 250, 251, 252}));
  Image image = decode_png(raw_png(raw), "x");
  EXPECT_EQ(image.channels, 3);
  EXPECT_EQ(image.pixels, (Pixels{1, 2, 3, 40, 50, 60, 250, 251, 252}));
  raw.before_data += chunk("tRNS", bytes({255, 7}));
  image = decode_png(raw_png(raw), "x");
  EXPECT_EQ(image.channels, 4);
  EXPECT_EQ(probe_png(raw_png(raw), "x").channels, 4);
  EXPECT_EQ(image.pixels, (Pixels{1, 2, 3, 255, 40, 50, 60, 7, 250, 251, 252, 255}));
}

TEST(Png, GrayWithAlphaBecomesRgba) {
  const Image image = decode_png(raw_png({.width = 2, .colour_type = 4, .rows = row({9, 200, 77, 0})}), "x");
  EXPECT_EQ(image.channels, 4);
  EXPECT_EQ(image.pixels, (Pixels{9, 9, 9, 200, 77, 77, 77, 0}));
}

TEST(Png, GrayWithATransparentLevelBecomesRgba) {
  Raw raw{.width = 2, .rows = row({9, 77})};
  raw.before_data = chunk("tRNS", bytes({0, 77}));
  EXPECT_EQ(decode_png(raw_png(raw), "x").pixels, (Pixels{9, 9, 9, 255, 77, 77, 77, 0}));
}

TEST(Png, OneBitGrayIsBlackAndWhite) {
  const Image image = decode_png(raw_png({.width = 5, .depth = 1, .rows = row({0b10110000})}), "x");
  EXPECT_EQ(image.channels, 1);
  EXPECT_EQ(image.pixels, (Pixels{255, 0, 255, 255, 0}));
}

TEST(Png, InterlacedRowsAreSorted) {
  // Adam7 of a 4 x 4 picture: passes 1, 4, 5, 6 and 7 hold pixels (specification, section 8.2).
  Raw raw{.width = 4, .height = 4, .interlaced = true};
  raw.rows = row({0}) + row({2}) + row({8, 10}) + row({1, 3}) + row({9, 11}) + row({4, 5, 6, 7}) +
             row({12, 13, 14, 15});
  EXPECT_EQ(decode_png(raw_png(raw), "x").pixels,
            (Pixels{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}));
}

TEST(Png, HugeExtentsAreRefusedBeforeAllocation) {
  expect_refused(raw_png({.width = 60'000, .height = 60'000, .rows = row({1})}), "above the limit");
  expect_refused(raw_png({.width = 0x7fffffff, .height = 0x7fffffff, .depth = 16, .colour_type = 6}), "");
  expect_refused(raw_png({.width = 0x7fffffff, .height = 1, .rows = row({1})}), "above the limit");
  expect_refused(raw_png({.width = 0, .height = 5, .rows = row({1})}), "damaged PNG");
}

TEST(Png, ChunkLengthBeyondTheFileIsRefusedBeforeAllocation) {
  Raw raw{.rows = row({5})};
  raw.before_data = chunk("tEXt", std::string("key\0value", 9));
  Bytes file = raw_png(raw);
  file[33] = std::byte{0x7f};  // the text claims 2 GiB
  expect_refused(file, "truncated");
  EXPECT_THROW(probe_png(file, "x"), Error);
  EXPECT_THROW(read_png_text(file, "x"), Error);
}

TEST(Png, TooLittleDataIsRefused) {
  expect_refused(raw_png({.width = 4, .height = 4, .rows = row({1, 2, 3, 4})}), "damaged PNG");
  expect_refused(raw_png({.width = 4, .height = 4}), "damaged PNG");
}

TEST(Png, DamageIsRefusedOrRead) {
  const Bytes file = encode_png(noise_image(7, 6, 4), {{"key", "välue"}});
  expect_truncations_refused(file);
  expect_survives_damage(file, 1000);
  Raw raw{.width = 3, .depth = 2, .colour_type = 3, .rows = row({0b00'01'10'00})};
  raw.before_data =
      chunk("PLTE", bytes({1, 2, 3, 40, 50, 60, 250, 251, 252})) + chunk("tRNS", bytes({255, 7}));
  expect_truncations_refused(raw_png(raw));
  expect_survives_damage(raw_png(raw), 1000);
  Bytes flipped = file;
  flipped[file.size() - 20] ^= std::byte{1};  // inside the picture data: the checksum tells
  expect_refused(flipped, "damaged PNG");
}

TEST(Png, FileHoldsTheEncodedBytes) {
  const auto path =
      std::filesystem::temp_directory_path() / ("langevin_png_" + std::to_string(getpid()) + ".png");
  const Image image = noise_image(5, 5, 3);
  write_png(path, image, {{"k", "v"}});
  EXPECT_EQ(read_bytes(path, 1 << 20), encode_png(image, {{"k", "v"}}));
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace langevin
