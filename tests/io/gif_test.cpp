#include "langevin/io/gif.h"

#include <gif_lib.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <stdexcept>

#include "tests/io/image_samples.h"

namespace langevin {
namespace {

using namespace test;

struct Decoded {
  std::vector<Image> frames;  // composed
  std::vector<int> delays;    // in 10 ms
  std::vector<int> areas;     // stored pixels of each frame
  bool loops = false;
};

int read_memory(GifFileType* gif, GifByteType* out, int size) {
  auto* left = static_cast<std::span<const std::byte>*>(gif->UserData);
  const size_t count = std::min(left->size(), static_cast<size_t>(size));
  std::memcpy(out, left->data(), count);
  *left = left->subspan(count);
  return static_cast<int>(count);
}

bool is_loop_extension(const SavedImage& image) {
  for (int i = 0; i + 1 < image.ExtensionBlockCount; ++i) {
    const ExtensionBlock& block = image.ExtensionBlocks[i];
    const ExtensionBlock& next = image.ExtensionBlocks[i + 1];
    if (block.Function == APPLICATION_EXT_FUNC_CODE && block.ByteCount == 11 &&
        std::memcmp(block.Bytes, "NETSCAPE2.0", 11) == 0 && next.ByteCount == 3 && next.Bytes[0] == 1 &&
        next.Bytes[1] == 0 && next.Bytes[2] == 0) {
      return true;
    }
  }
  return false;
}

/// Decodes with giflib's reader and composes the frames as a viewer does.
Decoded decode(const Bytes& file) {
  Decoded out;
  std::span<const std::byte> left(file);
  int error = 0;
  GifFileType* gif = DGifOpen(&left, read_memory, &error);
  EXPECT_NE(gif, nullptr);
  if (gif == nullptr) return out;
  EXPECT_EQ(DGifSlurp(gif), GIF_OK);
  Image canvas = make_image(gif->SWidth, gif->SHeight, 3);
  for (int i = 0; i < gif->ImageCount; ++i) {
    const SavedImage& image = gif->SavedImages[i];
    const GifImageDesc& area = image.ImageDesc;
    for (int y = 0; y < area.Height; ++y) {
      for (int x = 0; x < area.Width; ++x) {
        const GifColorType& colour = gif->SColorMap->Colors[image.RasterBits[y * area.Width + x]];
        canvas.at(area.Left + x, area.Top + y, 0) = colour.Red;
        canvas.at(area.Left + x, area.Top + y, 1) = colour.Green;
        canvas.at(area.Left + x, area.Top + y, 2) = colour.Blue;
      }
    }
    GraphicsControlBlock control;
    EXPECT_EQ(DGifSavedExtensionToGCB(gif, i, &control), GIF_OK);
    EXPECT_EQ(control.DisposalMode, DISPOSE_DO_NOT);
    out.frames.push_back(canvas);
    out.delays.push_back(control.DelayTime);
    out.areas.push_back(area.Width * area.Height);
    out.loops = out.loops || is_loop_extension(image);
  }
  DGifCloseFile(gif, &error);
  return out;
}

TEST(Gif, GrayAnimationIsExact) {
  std::vector<Image> frames;
  for (unsigned i = 0; i < 4; ++i) frames.push_back(noise_image(31, 17, 1, i));
  const Decoded decoded = decode(encode_gif(frames, 100, true));
  ASSERT_EQ(decoded.frames.size(), 4U);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(decoded.frames[i].pixels, to_channels(frames[i], 3).pixels);
  EXPECT_EQ(decoded.delays, (std::vector<int>(4, 10)));
  EXPECT_TRUE(decoded.loops);
}

TEST(Gif, FewColoursAreExact) {
  Image frame = noise_image(16, 16, 3);
  for (size_t i = 0; i < frame.pixels.size(); ++i)
    frame.pixels[i] = static_cast<uint8_t>(frame.pixels[i] % 6 * 51);
  const Decoded decoded = decode(encode_gif({frame}, 50, false));  // at most 216 colours
  EXPECT_EQ(decoded.frames.at(0).pixels, frame.pixels);
  EXPECT_FALSE(decoded.loops);
  const Image plain = make_image(3, 3, 3, 200);
  EXPECT_EQ(decode(encode_gif({plain, plain}, 50, false)).frames.at(1).pixels, plain.pixels);
}

TEST(Gif, ManyColoursAreClose) {
  std::vector<Image> frames = {smooth_image(160, 120, 3), smooth_image(160, 120, 3)};
  for (uint8_t& value : frames[1].pixels) value = static_cast<uint8_t>(255 - value);
  const Decoded decoded = decode(encode_gif(frames, 50, true));
  for (size_t i = 0; i < 2; ++i) EXPECT_LT(mean_abs_difference(decoded.frames.at(i), frames[i]), 5.0);
}

TEST(Gif, PaletteCoversTheCubeEvenly) {
  // Uniform colours: 256 cells of a cube of side 256 have side 40 or so; a cell of side s is 0.25 s a channel
  // from its centre on average, about 10 a channel.
  const Image image = noise_image(200, 200, 3);
  const std::vector<Colour> palette = gif_palette({&image, 1});
  EXPECT_EQ(palette.size(), 256U);
  EXPECT_EQ(std::set<Colour>(palette.begin(), palette.end()).size(), 256U);
  EXPECT_LT(mean_abs_difference(decode(encode_gif({image}, 50, false)).frames.at(0), image), 12.0);
}

TEST(Gif, RareDistantColourKeepsItsPlace) {
  Image image = noise_image(200, 200, 3);
  for (size_t i = 0; i < image.pixels.size(); i += 3) image.pixels[i] /= 4;  // little red
  for (size_t i = 0; i < 60; i += 3) {
    image.pixels[i] = 255;
    image.pixels[i + 1] = image.pixels[i + 2] = 0;
  }
  const std::vector<Colour> palette = gif_palette({&image, 1});
  EXPECT_TRUE(std::any_of(palette.begin(), palette.end(), [](const Colour& c) { return c[0] > 200; }));
}

TEST(Gif, PaletteSizes) {
  const Image gray = noise_image(50, 50, 1), colour = noise_image(50, 50, 3);
  EXPECT_EQ(gif_palette({&gray, 1}).size(), 256U);
  EXPECT_EQ(gif_palette({&gray, 1}, 4),
            (std::vector<Colour>{{0, 0, 0}, {85, 85, 85}, {170, 170, 170}, {255, 255, 255}}));
  EXPECT_EQ(gif_palette({&colour, 1}, 16).size(), 16U);
  EXPECT_THROW(gif_palette({&colour, 1}, 1), Error);
  EXPECT_THROW(gif_palette({}), Error);
}

TEST(Gif, OnlyTheChangedRectangleIsStored) {
  Image first = make_image(40, 30, 1, 10), second = first;
  second.at(5, 7, 0) = 200;
  second.at(8, 9, 0) = 201;
  const Decoded decoded = decode(encode_gif({first, second, second, first}, 50, true));
  EXPECT_EQ(decoded.areas, (std::vector<int>{1200, 12, 1, 12}));
  EXPECT_EQ(decoded.frames.at(1).pixels, to_channels(second, 3).pixels);
  EXPECT_EQ(decoded.frames.at(2).pixels, to_channels(second, 3).pixels);
  EXPECT_EQ(decoded.frames.at(3).pixels, to_channels(first, 3).pixels);
}

TEST(Gif, AlphaIsFlattenedOverWhite) {
  Image frame = make_image(2, 1, 4);
  frame.pixels = {0, 0, 0, 0, 10, 20, 30, 255};
  EXPECT_EQ(decode(encode_gif({frame}, 50, false)).frames.at(0).pixels,
            (std::vector<uint8_t>{255, 255, 255, 10, 20, 30}));
}

TEST(Gif, DelaysAreRoundedAndNeverBelowTwentyMilliseconds) {
  Bytes file;
  GifWriter writer([&file](std::span<const std::byte> b) { file.insert(file.end(), b.begin(), b.end()); }, 2,
                   2, {{0, 0, 0}, {255, 255, 255}}, false);
  for (const int delay : {0, 44, 45, 2000}) writer.add(make_image(2, 2, 1, 255), delay);
  writer.finish();
  EXPECT_EQ(decode(file).delays, (std::vector<int>{2, 4, 5, 200}));
  EXPECT_THROW(writer.finish(), Error);
  EXPECT_THROW(writer.add(make_image(2, 2, 1), 50), Error);
}

TEST(Gif, SameFramesSameBytes) {
  const std::vector<Image> frames = {noise_image(30, 30, 3, 1), noise_image(30, 30, 3, 2)};
  EXPECT_EQ(encode_gif(frames, 50, true), encode_gif(frames, 50, true));
}

TEST(Gif, FailureOfTheSinkReachesTheCaller) {
  size_t left = 900;
  const auto sink = [&left](std::span<const std::byte> bytes) {
    if (bytes.size() > left) throw std::runtime_error("disk full");
    left -= bytes.size();
  };
  const Image frame = noise_image(64, 64, 1);
  GifWriter writer(sink, 64, 64, gif_palette({&frame, 1}), true);
  EXPECT_THROW(writer.add(frame, 50), std::runtime_error);
  left = 3;
  EXPECT_THROW(GifWriter(sink, 64, 64, gif_palette({&frame, 1}), true), std::runtime_error);
}

TEST(Gif, RefusesBadRequests) {
  EXPECT_THROW(encode_gif({}, 50, true), Error);
  EXPECT_THROW(encode_gif({make_image(2, 2, 1), make_image(3, 2, 1)}, 50, true), Error);
  EXPECT_THROW(encode_gif({make_image(2, 2, 1)}, -1, true), Error);
  EXPECT_THROW(encode_gif({make_image(65536, 1, 1)}, 50, true), Error);
}

}  // namespace
}  // namespace langevin
