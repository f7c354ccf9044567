#include "langevin/io/webp.h"

#include "tests/io/image_samples.h"

namespace langevin {
namespace {

using namespace test;

TEST(Webp, LosslessRoundTripIsExact) {
  for (const int channels : {3, 4}) {
    const Image image = noise_image(33, 17, channels);  // also the colours under alpha 0
    const Image back = decode_webp(encode_webp(image), "x");
    EXPECT_EQ(back.channels, channels);
    EXPECT_EQ(back.pixels, image.pixels);
  }
  const Image gray = noise_image(5, 4, 1);
  EXPECT_EQ(decode_webp(encode_webp(gray), "x").pixels, to_channels(gray, 3).pixels);
}

TEST(Webp, LossyRoundTripIsClose) {
  const Image image = smooth_image(64, 48, 3);
  const Bytes file = encode_webp(image, false, 95);
  EXPECT_LT(file.size(), encode_webp(image).size());
  EXPECT_LT(mean_abs_difference(image, decode_webp(file, "x")), 5.0);
  Image alpha = smooth_image(64, 48, 4);
  EXPECT_EQ(probe_webp(encode_webp(alpha, false, 80), "x").channels, 4);
}

TEST(Webp, AnimationIsRefused) {
  // VP8X header with the animation flag (bit 1) for a canvas of 16 x 16, then an ANIM chunk.
  const std::string body = std::string("WEBPVP8X\x0a\0\0\0\x02\0\0\0\x0f\0\0\x0f\0\0", 22) +
                           std::string("ANIM\x06\0\0\0\xff\xff\xff\xff\0\0", 14);
  const std::string file =
      "RIFF" + std::string(1, static_cast<char>(body.size())) + std::string(3, '\0') + body;
  expect_refused(to_bytes(file), "animated WebP");
}

TEST(Webp, DamageIsRefusedOrRead) {
  for (const Bytes& file : {encode_webp(noise_image(9, 7, 4)), encode_webp(smooth_image(20, 12, 3), false),
                            encode_webp(smooth_image(20, 12, 4), false)}) {
    expect_truncations_refused(file);
    expect_survives_damage(file, 1000);
  }
}

TEST(Webp, RefusesBadOptions) {
  EXPECT_THROW(encode_webp(make_image(2, 2, 3), false, 101), Error);
  EXPECT_THROW(encode_webp(make_image(16384, 1, 3)), Error);
}

}  // namespace
}  // namespace langevin
