#include "langevin/data/resize.h"

#include "tests/data/data_samples.h"

namespace langevin {
namespace {

using test::noise_image;

const Filter kFilters[] = {Filter::box, Filter::triangle, Filter::bicubic, Filter::lanczos3};

TEST(Resize, SameSizeChangesNothing) {
  const Image image = noise_image(7, 5, 3, 1);
  for (Filter f : kFilters) EXPECT_EQ(resize(image, {7, 5}, f).pixels, image.pixels);
}

TEST(Resize, ConstantStaysConstantAtAnySize) {
  for (Filter f : kFilters) {
    for (const Extent to : {Extent{1, 1}, Extent{3, 11}, Extent{40, 2}, Extent{64, 64}}) {
      const Image out = resize(make_image(9, 13, 3, 201), to, f);
      EXPECT_EQ(out.height, to.height);
      EXPECT_EQ(out.width, to.width);
      for (uint8_t p : out.pixels) ASSERT_EQ(p, 201);
    }
  }
}

TEST(Resize, BoxHalvesByTheMeanOfFour) {
  const Image image = noise_image(8, 6, 3, 2);
  const Image out = resize(image, {4, 3}, Filter::box);
  for (int y = 0; y < 4; ++y) {
    for (int x = 0; x < 3; ++x) {
      for (int c = 0; c < 3; ++c) {
        const int sum = image.at(2 * x, 2 * y, c) + image.at(2 * x + 1, 2 * y, c) +
                        image.at(2 * x, 2 * y + 1, c) + image.at(2 * x + 1, 2 * y + 1, c);
        EXPECT_EQ(out.at(x, y, c), (sum + 2) / 4);
      }
    }
  }
}

TEST(Resize, TriangleByHand) {
  // Scale 2, support 2: output 0 has its centre at 1 and sees pixels at 0.5, 1.5, 2.5 with weights 3/7, 3/7,
  // 1/7.
  Image image = make_image(4, 1, 1);
  image.pixels = {10, 20, 200, 100};
  const Image across = resize(image, {1, 2}, Filter::triangle);
  EXPECT_EQ(across.pixels, (std::vector<uint8_t>{41, 131}));  // 290/7, 920/7
  image.width = 1;
  image.height = 4;
  EXPECT_EQ(resize(image, {2, 1}, Filter::triangle).pixels, across.pixels);
}

TEST(Resize, FineStripesBecomeGrayInsteadOfAliasing) {
  Image stripes = make_image(64, 64, 1);
  for (int y = 0; y < 64; ++y) {
    for (int x = 0; x < 64; ++x) stripes.at(x, y, 0) = x % 2 == 0 ? 255 : 0;
  }
  for (Filter f : {Filter::triangle, Filter::bicubic, Filter::lanczos3}) {
    const Image out = resize(stripes, {9, 9}, f);
    for (int y = 0; y < 9; ++y) {
      for (int x = 1; x < 8; ++x) EXPECT_NEAR(out.at(x, y, 0), 127.5, 4.0);
    }
  }
}

TEST(Resize, LinearRampStaysLinearInside) {
  Image ramp = make_image(60, 1, 1);
  for (int x = 0; x < 60; ++x) ramp.at(x, 0, 0) = static_cast<uint8_t>(4 * x);
  for (Filter f : {Filter::triangle, Filter::bicubic, Filter::lanczos3}) {
    const Image out = resize(ramp, {1, 20}, f);
    for (int x = 4; x < 16; ++x) EXPECT_NEAR(out.at(x, 0, 0), 4 * (3 * (x + 0.5) - 0.5), 1.01);
  }
}

TEST(Resize, HiddenColoursDoNotBleed) {
  Image image = make_image(2, 1, 4);
  image.pixels = {255, 0, 0, 255, 0, 255, 0, 0};  // opaque red beside invisible green
  EXPECT_EQ(resize(image, {1, 1}, Filter::box).pixels, (std::vector<uint8_t>{255, 0, 0, 128}));
}

TEST(Resize, WindowEqualsCuttingAfterwards) {
  const Image image = noise_image(24, 32, 3, 3);
  const Image whole = resize(image, {12, 16});
  const Image window = resize(image, Window{0, 4, 24, 24}, {12, 12});
  EXPECT_EQ(window.pixels, crop(whole, 0, 2, {12, 12}).pixels);
}

TEST(Resize, ThinGiantsTakeLittleMemory) {
  Image image = make_image(1, 2'000'000, 1, 77);
  const Image out = resize(image, centred_window({2'000'000, 1}, {64, 64}, 1.0), {64, 64});
  for (uint8_t p : out.pixels) ASSERT_EQ(p, 77);
}

TEST(Resize, TallAndWideAgree) {  // the two orders of the passes
  const Image tall = noise_image(900, 3, 3, 4);
  Image wide = make_image(900, 3, 3);
  for (int y = 0; y < 3; ++y) {
    for (int x = 0; x < 900; ++x) {
      for (int c = 0; c < 3; ++c) wide.at(x, y, c) = tall.at(y, x, c);
    }
  }
  const Image a = resize(tall, {4, 4}), b = resize(wide, {4, 4});
  for (int y = 0; y < 4; ++y) {
    for (int x = 0; x < 4; ++x) {
      for (int c = 0; c < 3; ++c) EXPECT_NEAR(a.at(x, y, c), b.at(y, x, c), 1);
    }
  }
}

TEST(Resize, RefusesBadTargetsAndWindows) {
  const Image image = noise_image(4, 4, 1, 5);
  EXPECT_THROW(resize(image, {0, 4}), Error);
  EXPECT_THROW(resize(image, {4, 70000}), Error);
  EXPECT_THROW(resize(image, Window{0, 0, 5, 4}, {2, 2}), Error);
  EXPECT_THROW(resize(image, Window{0, 0, 0, 4}, {2, 2}), Error);
  EXPECT_THROW(crop(image, 1, 0, {4, 4}), Error);
  EXPECT_THROW(crop(image, -1, 0, {2, 2}), Error);
  EXPECT_THROW(crop(image, 0, 0, {0, 2}), Error);
}

TEST(Resize, CoverAndCentredWindow) {
  EXPECT_EQ(cover({480, 640}, {32, 32}, 1), (Extent{32, 43}));
  EXPECT_EQ(cover({640, 480}, {32, 32}, 1), (Extent{43, 32}));
  EXPECT_EQ(cover({32, 32}, {32, 32}, 1.25), (Extent{40, 40}));
  EXPECT_EQ(cover({10, 10}, {20, 30}, 1), (Extent{30, 30}));
  const Window w = centred_window({480, 640}, {32, 32}, 1);
  EXPECT_DOUBLE_EQ(w.left, 80);
  EXPECT_DOUBLE_EQ(w.width, 480);
  EXPECT_DOUBLE_EQ(w.height, 480);
  EXPECT_DOUBLE_EQ(centred_window({480, 480}, {32, 32}, 2).top, 120);
}

TEST(Resize, FlipAndCropByHand) {
  Image image = make_image(3, 2, 1);
  image.pixels = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(flip_horizontal(image).pixels, (std::vector<uint8_t>{3, 2, 1, 6, 5, 4}));
  EXPECT_EQ(crop(image, 1, 1, {1, 2}).pixels, (std::vector<uint8_t>{5, 6}));
  EXPECT_EQ(centre_crop(image, {2, 1}).pixels, (std::vector<uint8_t>{2, 5}));
}

TEST(Resize, Colours) {
  EXPECT_EQ(parse_colour("#12aBff"), (Colour{0x12, 0xab, 0xff}));
  EXPECT_EQ(parse_colour("#0f8"), (Colour{0x00, 0xff, 0x88}));
  for (const char* bad : {"", "white", "#12", "#12345", "#gg0000", "123456", "#1234567"}) {
    EXPECT_THROW(parse_colour(bad), UsageError) << bad;
  }
}

}  // namespace
}  // namespace langevin
