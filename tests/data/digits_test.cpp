#include "langevin/data/digits.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "langevin/core/atomic_file.h"
#include "langevin/core/check.h"
#include "langevin/data/text_render.h"
#include "langevin/io/idx.h"
#include "langevin/io/png.h"

namespace langevin {
namespace {

namespace fs = std::filesystem;

fs::path plain_font() {
  for (const fs::path& path : find_fonts(system_font_folders(), {".ttf"})) {
    if (path.filename() == "DejaVuSans.ttf") return path;
  }
  return {};
}

// Ink of a picture: total, extent, and the mean column of its upper and lower half.
struct Ink {
  double total = 0, upper_x = 0, lower_x = 0;
  int left = 1 << 20, right = -1, top = 1 << 20, bottom = -1;
  int height() const { return bottom - top + 1; }
};
Ink measure(const Image& image) {
  Ink ink;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      if (image.at(x, y, 0) == 0) continue;
      ink.total += image.at(x, y, 0);
      ink.left = std::min(ink.left, x), ink.right = std::max(ink.right, x);
      ink.top = std::min(ink.top, y), ink.bottom = std::max(ink.bottom, y);
    }
  }
  double upper = 0, lower = 0;
  for (int y = ink.top; y <= ink.bottom; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const bool up = y < (ink.top + ink.bottom) / 2;
      (up ? ink.upper_x : ink.lower_x) += x * image.at(x, y, 0);
      (up ? upper : lower) += image.at(x, y, 0);
    }
  }
  ink.upper_x /= upper;
  ink.lower_x /= lower;
  return ink;
}

class DrawGlyph : public ::testing::Test {
 protected:
  void SetUp() override {
    if (plain_font().empty()) GTEST_SKIP() << "needs fonts-dejavu-core";
    font = std::make_unique<OutlineFont>(plain_font(), 0);
  }
  Ink ink(const GlyphStyle& style, uint32_t character = 'I') const {
    return measure(font->draw(character, style, 100));
  }
  std::unique_ptr<OutlineFont> font;
};

TEST_F(DrawGlyph, StylesDoWhatTheyAreCalled) {
  const Ink plain = ink({.height = 0.6});
  EXPECT_NEAR(plain.height(), 60, 1);
  EXPECT_NEAR((plain.left + plain.right) / 2.0, 49.5, 1);
  EXPECT_NEAR((plain.top + plain.bottom) / 2.0, 49.5, 1);
  EXPECT_NEAR(plain.upper_x, plain.lower_x, 0.01);
  // The centres of the two halves lie half the height apart: shear moves them by shear * height / 2.
  const Ink leaning = ink({.height = 0.6, .shear = 0.3});
  EXPECT_NEAR(leaning.upper_x - leaning.lower_x, 0.3 * 30, 0.5);
  EXPECT_NEAR(leaning.height(), 60, 1);
  const Ink turned = ink({.height = 0.6, .rotation = 0.2});
  EXPECT_NEAR(turned.upper_x - turned.lower_x, -std::sin(0.2) * 30, 0.7);
  // 'I' is a bar: its ink is its area.
  EXPECT_NEAR(ink({.height = 0.6, .aspect = 1.5}).total / plain.total, 1.5, 0.05);
  EXPECT_GT(ink({.height = 0.6, .weight = 0.04}).total, 1.2 * plain.total);
  EXPECT_LT(ink({.height = 0.6, .weight = -0.02}).total, 0.9 * plain.total);
}

TEST_F(DrawGlyph, PlacesWithinTheBorder) {
  EXPECT_EQ(ink({.height = 0.5, .dx = -1, .dy = -1}).left, 1);
  EXPECT_EQ(ink({.height = 0.5, .dx = -1, .dy = -1}).bottom, 98);
  EXPECT_GE(ink({.height = 0.5, .dx = 1, .dy = 1}).right, 97);
  EXPECT_LE(ink({.height = 0.5, .dx = 1, .dy = 1}).right, 98);
  EXPECT_LE(ink({.height = 0.5, .dx = 1, .dy = 1}).top, 2);
  EXPECT_GE(ink({.height = 0.5, .dx = 1, .dy = 1}).top, 1);
  // However large it is asked for, nothing is cut off.
  for (const double rotation : {0.0, 0.5, 2.0}) {
    const Ink huge = ink({.height = 5, .aspect = 3, .weight = 0.1, .shear = 0.8, .rotation = rotation}, '8');
    EXPECT_GE(std::min(huge.left, huge.top), 1);
    EXPECT_LE(std::max(huge.right, huge.bottom), 98);
  }
}

TEST_F(DrawGlyph, KnowsWhatTheFaceLacks) {
  EXPECT_TRUE(font->has_text(std::vector<uint32_t>{'0', '9', 'A'}));
  EXPECT_FALSE(font->has_text(std::vector<uint32_t>{0x4E00}));
  EXPECT_FALSE(font->has_text(std::vector<uint32_t>{' '}));
  EXPECT_THROW(font->draw(0x4E00, {}, 28), Error);
}

class Digits : public ::testing::Test {
 protected:
  void SetUp() override {
    if (plain_font().empty()) GTEST_SKIP() << "needs fonts-dejavu-core";
    base = fs::path(::testing::TempDir()) / ("digits-" + std::to_string(::getpid()) + "-" +
                                             ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(base);
    options.out = base / "set";
    options.fonts = {plain_font().parent_path()};
    options.count = 103;
    options.format = "idx";
    options.force = true;
  }
  void TearDown() override { fs::remove_all(base); }
  IdxArray images() {
    make_digits(options, console);
    return read_idx(options.out / "train-images-idx3-ubyte");
  }
  fs::path base;
  DigitsOptions options;
  Console console{Console::Level::quiet, std::tmpfile()};
};

TEST_F(Digits, IdxAndFolderHoldTheSamePictures) {
  const DigitsSummary summary = make_digits(options, console);
  EXPECT_EQ(summary.written, 103);
  EXPECT_EQ(summary.per_digit, (std::array<int64_t, 10>{11, 11, 11, 10, 10, 10, 10, 10, 10, 10}));
  EXPECT_FALSE(summary.fonts.empty());
  const IdxArray images = read_idx(options.out / "train-images-idx3-ubyte");
  const IdxArray labels = read_idx(options.out / "train-labels-idx1-ubyte");
  EXPECT_EQ(images.shape, (Shape{103, 28, 28}));
  EXPECT_EQ(labels.shape, (Shape{103}));

  options.format = "folder";
  make_digits(options, console);
  for (int64_t i = 0; i < 103; ++i) {
    EXPECT_EQ(labels.data[static_cast<size_t>(i)], i % 10);
    const fs::path path = options.out / std::to_string(i % 10) / fmt::format("{:05}.png", i);
    const Image image = decode_png(read_bytes(path, 1 << 20), path.string());
    ASSERT_EQ(image.channels, 1);
    ASSERT_EQ(image.pixels.size(), 784u);
    EXPECT_TRUE(std::equal(image.pixels.begin(), image.pixels.end(), images.data.begin() + i * 784));
  }
  EXPECT_FALSE(fs::exists(options.out / "train-images-idx3-ubyte"));
}

TEST_F(Digits, APictureDependsOnSeedAndIndexAlone) {
  options.threads = 1;
  const IdxArray all = images();
  options.threads = 7;
  options.count = 50;
  const IdxArray first = images();
  EXPECT_TRUE(std::equal(first.data.begin(), first.data.end(), all.data.begin()));
  options.seed = 1;
  EXPECT_NE(images().data, first.data);
  int64_t equal = 0;  // no two pictures of one digit are the same
  for (int64_t i = 10; i < 103; ++i) {
    equal += std::equal(all.data.begin() + i * 784, all.data.begin() + (i + 1) * 784,
                        all.data.begin() + (i - 10) * 784);
  }
  EXPECT_EQ(equal, 0);
}

TEST_F(Digits, WhiteOnBlackInsideABorder) {
  for (const int size : {8, 28, 61}) {
    options.size = size;
    const IdxArray set = images();
    for (int64_t i = 0; i < options.count; ++i) {
      Image image = make_image(size, size, 1);
      std::copy_n(set.data.begin() + i * size * size, size * size, image.pixels.begin());
      const Ink ink = measure(image);
      EXPECT_GE(std::min(ink.left, ink.top), 1);
      EXPECT_LE(std::max(ink.right, ink.bottom), size - 2);
      EXPECT_GT(ink.height(), size / 2);
      if (size >= 28) {  // the lightest strokes are thinner than a pixel of smaller pictures
        EXPECT_GT(*std::max_element(image.pixels.begin(), image.pixels.end()), 150);
      }
      EXPECT_LT(ink.total, 255.0 * size * size / 2);
    }
  }
}

// Labels are right and the distortions leave digits apart: the nearest of 2,000 pictures says which digit
// another is.
TEST_F(Digits, ANearestNeighbourReadsThem) {
  options.count = 2500;
  const IdxArray set = images();
  const int train = 2000;
  int right = 0;
  for (int i = train; i < options.count; ++i) {
    int64_t best = INT64_MAX;
    int label = -1;
    for (int k = 0; k < train; ++k) {
      int64_t distance = 0;
      for (int j = 0; j < 784; ++j) {
        const int64_t d =
            set.data[static_cast<size_t>(i * 784 + j)] - set.data[static_cast<size_t>(k * 784 + j)];
        distance += d * d;
      }
      if (distance < best) best = distance, label = k % 10;
    }
    right += label == i % 10;
  }
  EXPECT_GT(right, 450) << "of 500";
}

TEST_F(Digits, FontsThatAreNoneArePassedOverOrNamed) {
  write_file(base / "fonts" / "junk.ttf", "this is no font");
  const std::string whole = read_file(plain_font(), 1 << 26);
  write_file(base / "fonts" / "cut.ttf", whole.substr(0, whole.size() / 3));
  write_file(base / "fonts" / "readme.txt", "no font");
  options.fonts = {base / "fonts"};
  EXPECT_THROW(make_digits(options, console), Error);
  options.fonts.push_back(plain_font());
  EXPECT_EQ(make_digits(options, console).fonts, std::vector<std::string>{"DejaVu Sans Book"});
  options.fonts = {base / "nowhere"};
  EXPECT_THROW(make_digits(options, console), Error);
}

TEST_F(Digits, OptionsOutOfRangeAreUsageErrors) {
  const auto refused = [&](auto change) {
    DigitsOptions changed = options;
    change(changed);
    EXPECT_THROW(make_digits(changed, console), UsageError);
  };
  refused([](DigitsOptions& o) { o.count = 0; });
  refused([](DigitsOptions& o) { o.count = 10'000'001; });
  refused([](DigitsOptions& o) { o.size = 7; });
  refused([](DigitsOptions& o) { o.size = 257; });
  refused([](DigitsOptions& o) { o.format = "npz"; });
  refused([](DigitsOptions& o) { o.count = 10'000'000, o.size = 256; });
  EXPECT_FALSE(fs::exists(options.out));
}

TEST_F(Digits, AnotherKindOfSetIsNotReplaced) {
  write_file(options.out / "dataset.json", R"({"made_by": "langevin data emoji", "files": 1})");
  EXPECT_THROW(make_digits(options, console), Error);
  EXPECT_TRUE(fs::exists(options.out / "dataset.json"));
}

}  // namespace
}  // namespace langevin
