#include "langevin/io/image.h"

#include "langevin/io/jpeg.h"
#include "langevin/io/png.h"
#include "langevin/io/webp.h"
#include "tests/io/image_samples.h"

namespace langevin {
namespace {

using namespace test;

TEST(Image, FormatIsToldByContentsNotByName) {
  const Image image = smooth_image(20, 10, 3);
  EXPECT_EQ(probe_image(encode_png(image), "a.jpg").format, ImageFormat::png);
  EXPECT_EQ(probe_image(encode_jpeg(image), "a.webp").format, ImageFormat::jpeg);
  EXPECT_EQ(probe_image(encode_webp(image), "a.png").format, ImageFormat::webp);
  EXPECT_EQ(decode_image(encode_png(image), "a.jpg").pixels, image.pixels);
}

TEST(Image, ProbeAgreesWithDecoding) {
  for (const int channels : {1, 3, 4}) {
    const Image image = smooth_image(23, 9, channels);
    std::vector<Bytes> files = {encode_png(image), encode_webp(image)};
    if (channels != 4) files.push_back(encode_jpeg(image));
    for (const Bytes& file : files) {
      const ImageInfo info = probe_image(file);
      const Image decoded = decode_image(file, "x");
      EXPECT_EQ(info.width, decoded.width);
      EXPECT_EQ(info.height, decoded.height);
      EXPECT_EQ(info.channels, decoded.channels) << to_string(info.format);
    }
  }
}

TEST(Image, RefusesWhatIsNoPicture) {
  expect_refused({}, "empty");
  expect_refused(to_bytes("hello, this is a text file"), "not a PNG, JPEG or WebP");
  expect_refused(to_bytes("GIF89a......"), "GIF is not read");
  expect_refused(to_bytes("BM000000000000"), "BMP is not read");
  expect_refused(to_bytes("<svg xmlns"), "SVG");
  expect_refused(Bytes(100, std::byte{0}), "not a PNG");
  expect_refused(Bytes(1, std::byte{0xff}), "not a PNG");
}

TEST(Image, MessageStaysOneLineWhateverTheName) {
  try {
    decode_image({}, "evil\nname\x1b[2J");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "evil?name?[2J: the file is empty");
  }
}

TEST(Image, LimitsHoldForEveryFormat) {
  const Image image = make_image(50, 40, 3, 7);  // 6000 bytes, far more than any of the files
  for (const Bytes& file : {encode_png(image), encode_jpeg(image), encode_webp(image)}) {
    expect_refused(file, "above the limit of 1999", {.max_pixels = 1999});
    expect_refused(file, "decoded bytes", {.max_pixels = 2000, .max_bytes = 5999});
    expect_refused(file, "picture file of", {.max_pixels = 2000, .max_bytes = file.size() - 1});
    EXPECT_EQ(decode_error(file, {.max_pixels = 2000, .max_bytes = 6000}), "");
  }
}

TEST(Image, FlattenBlendsOverTheBackground) {
  Image image = make_image(4, 1, 4);
  image.pixels = {10, 20, 30, 0, 10, 20, 30, 255, 200, 100, 0, 128, 255, 255, 255, 51};
  const Image flat = flatten(image, {100, 0, 255});
  // alpha 128/255: 200*0.50196+100*0.49804 = 150.2, 50.2, 127.0; alpha 0.2: 131, 51, 255
  EXPECT_EQ(flat.pixels, (std::vector<uint8_t>{100, 0, 255, 10, 20, 30, 150, 50, 127, 131, 51, 255}));
  EXPECT_EQ(flat.channels, 3);
}

TEST(Image, ChannelsConvertWithRec601Luma) {
  Image image = make_image(5, 1, 3);
  image.pixels = {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255, 77, 77, 77};
  const Image gray = to_channels(image, 1);
  EXPECT_EQ(gray.pixels, (std::vector<uint8_t>{76, 150, 29, 255, 77}));  // 76.245, 149.685, 29.07
  const Image rgba = to_channels(gray, 4);
  EXPECT_EQ(rgba.channels, 4);
  EXPECT_EQ((std::vector<uint8_t>(rgba.pixels.begin() + 4, rgba.pixels.begin() + 8)),
            (std::vector<uint8_t>{150, 150, 150, 255}));
  for (int level = 0; level < 256; ++level) {
    const Image one = make_image(1, 1, 1, static_cast<uint8_t>(level));
    EXPECT_EQ(to_channels(to_channels(one, 3), 1).pixels, one.pixels);
  }
  const Image noise = noise_image(40, 40, 3), luma = to_channels(noise, 1);
  for (size_t i = 0; i < luma.pixels.size(); ++i) {
    const uint8_t* p = &noise.pixels[3 * i];
    EXPECT_NEAR(luma.pixels[i], 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2], 0.5001);
  }
  Image clear = make_image(1, 1, 4, 0);
  EXPECT_EQ(to_channels(clear, 1, {255, 0, 0}).pixels[0], 76);
}

TEST(Image, BadImagesAreRefused) {
  EXPECT_THROW(make_image(0, 1, 3), Error);
  EXPECT_THROW(make_image(1, 1, 2), Error);
  Image image = make_image(3, 2, 3);
  image.pixels.pop_back();
  EXPECT_THROW(encode_png(image), Error);
  EXPECT_THROW(encode_jpeg(image), Error);
  EXPECT_THROW(encode_webp(image), Error);
  EXPECT_THROW(flatten(image, {}), Error);
  EXPECT_THROW(to_channels(make_image(1, 1, 1), 2), Error);
}

}  // namespace
}  // namespace langevin
