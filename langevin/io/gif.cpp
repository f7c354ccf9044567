#include "langevin/io/gif.h"

#include <gif_lib.h>

#include <algorithm>
#include <exception>

#include "langevin/core/atomic_file.h"
#include "langevin/core/check.h"

namespace langevin {
namespace {

constexpr size_t kCacheSize = size_t{1} << 16;
constexpr uint32_t kNoColour = 0xffffffffU;  // colours have 24 bits

uint32_t packed(const uint8_t* rgb) {
  return static_cast<uint32_t>(rgb[0]) << 16 | static_cast<uint32_t>(rgb[1]) << 8 | rgb[2];
}

int squared_distance(const Colour& a, const uint8_t* b) {
  int sum = 0;
  for (size_t c = 0; c < 3; ++c) sum += (a[c] - b[c]) * (a[c] - b[c]);
  return sum;
}

Image to_rgb(const Image& image) { return to_channels(image, 3, {255, 255, 255}); }

/// What giflib's callback needs; an exception of the sink waits here until giflib has returned.
struct Output {
  GifWriter::Sink sink;
  std::exception_ptr problem;
  bool silent = false;
};

int on_write(GifFileType* gif, const GifByteType* data, int size) {
  auto* output = static_cast<Output*>(gif->UserData);
  if (output->silent) return size;
  try {
    output->sink({reinterpret_cast<const std::byte*>(data), static_cast<size_t>(size)});
    return size;
  } catch (...) {
    output->problem = std::current_exception();
    return 0;
  }
}

struct Rectangle {
  int left = 0, top = 0, width = 1, height = 1;
};

}  // namespace

struct GifWriter::State {
  Output output;
  GifFileType* gif = nullptr;
  int width = 0, height = 0;
  std::vector<Colour> palette;
  std::vector<GifByteType> shown;  // palette indices of the last frame
  std::vector<std::pair<uint32_t, GifByteType>> cache =
      std::vector<std::pair<uint32_t, GifByteType>>(kCacheSize, {kNoColour, GifByteType{0}});

  void require(int status) {
    if (output.problem) std::rethrow_exception(output.problem);
    if (status != GIF_OK) {
      const char* reason = GifErrorString(gif->Error);
      fail("GifWriter: {}", reason == nullptr ? "unknown giflib error" : reason);
    }
  }
  GifByteType nearest(const uint8_t* rgb) {
    const uint32_t colour = packed(rgb);
    auto& [cached, index] = cache[(colour * 2654435761U) >> 16];
    if (cached != colour) {
      const auto closer = [rgb](const Colour& a, const Colour& b) {
        return squared_distance(a, rgb) < squared_distance(b, rgb);
      };
      index = static_cast<GifByteType>(std::min_element(palette.begin(), palette.end(), closer) -
                                       palette.begin());
      cached = colour;
    }
    return index;
  }
  Rectangle changed(const std::vector<GifByteType>& indices) const;
  void start(bool loop);
};

Rectangle GifWriter::State::changed(const std::vector<GifByteType>& indices) const {
  if (shown.empty()) return {0, 0, width, height};
  int left = width, top = height, right = -1, bottom = -1;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const size_t i = static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x);
      if (indices[i] == shown[i]) continue;
      left = std::min(left, x);
      right = std::max(right, x);
      top = std::min(top, y);
      bottom = y;
    }
  }
  if (bottom < 0) return {};  // the same picture again still needs a frame, for its delay
  return {left, top, right - left + 1, bottom - top + 1};
}

void GifWriter::State::start(bool loop) {
  int error = 0;
  gif = EGifOpen(&output, on_write, &error);
  check(gif != nullptr, "GifWriter", "giflib cannot be started (error {})", error);
  EGifSetGifVersion(gif, true);
  int bits = 1;
  while ((size_t{1} << bits) < palette.size()) ++bits;
  std::vector<GifColorType> colours(size_t{1} << bits, GifColorType{0, 0, 0});
  for (size_t i = 0; i < palette.size(); ++i) colours[i] = {palette[i][0], palette[i][1], palette[i][2]};
  const std::unique_ptr<ColorMapObject, void (*)(ColorMapObject*)> map(
      GifMakeMapObject(1 << bits, colours.data()), GifFreeMapObject);
  check(map != nullptr, "GifWriter", "out of memory");
  require(EGifPutScreenDesc(gif, width, height, bits, 0, map.get()));
  if (!loop) return;
  const GifByteType for_ever[3] = {1, 0, 0};  // Netscape's extension: sub-block 1, count 0
  require(EGifPutExtensionLeader(gif, APPLICATION_EXT_FUNC_CODE));
  require(EGifPutExtensionBlock(gif, 11, "NETSCAPE2.0"));
  require(EGifPutExtensionBlock(gif, 3, for_ever));
  require(EGifPutExtensionTrailer(gif));
}

GifWriter::GifWriter(Sink sink, int width, int height, const std::vector<Colour>& palette, bool loop)
    : state_(std::make_unique<State>()) {
  check(width >= 1 && height >= 1 && width <= 65535 && height <= 65535, "GifWriter",
        "a side must have 1 to 65535 pixels, got {} x {}", width, height);
  check(palette.size() >= 2 && palette.size() <= 256, "GifWriter", "a palette has 2 to 256 colours, got {}",
        palette.size());
  check(sink != nullptr, "GifWriter", "needs a sink");
  state_->output.sink = std::move(sink);
  state_->width = width;
  state_->height = height;
  state_->palette = palette;
  try {
    state_->start(loop);
  } catch (...) {  // the destructor does not run for a constructor that throws
    state_->output.silent = true;
    if (state_->gif != nullptr) EGifCloseFile(state_->gif, nullptr);
    throw;
  }
}

GifWriter::~GifWriter() {
  state_->output.silent = true;
  if (state_->gif != nullptr) EGifCloseFile(state_->gif, nullptr);
}

void GifWriter::add(const Image& frame, int delay_ms) {
  State& state = *state_;
  check(state.gif != nullptr, "GifWriter::add", "the animation is finished");
  check_image(frame, "GifWriter::add");
  check(frame.width == state.width && frame.height == state.height, "GifWriter::add",
        "frames must have one size, {} x {}, got {} x {}", state.width, state.height, frame.width,
        frame.height);
  check(delay_ms >= 0 && delay_ms <= 600'000, "GifWriter::add", "delay must be within 0..600000 ms, got {}",
        delay_ms);
  const Image rgb = to_rgb(frame);
  std::vector<GifByteType> indices(rgb.pixels.size() / 3);
  for (size_t i = 0; i < indices.size(); ++i) indices[i] = state.nearest(&rgb.pixels[3 * i]);
  const Rectangle area = state.changed(indices);

  GraphicsControlBlock control{DISPOSE_DO_NOT, false, std::max(2, (delay_ms + 5) / 10), NO_TRANSPARENT_COLOR};
  GifByteType block[4];
  EGifGCBToExtension(&control, block);
  state.require(EGifPutExtension(state.gif, GRAPHICS_EXT_FUNC_CODE, 4, block));
  state.require(EGifPutImageDesc(state.gif, area.left, area.top, area.width, area.height, false, nullptr));
  for (int y = area.top; y < area.top + area.height; ++y) {
    const auto at =
        static_cast<size_t>(y) * static_cast<size_t>(state.width) + static_cast<size_t>(area.left);
    state.require(EGifPutLine(state.gif, &indices[at], area.width));
  }
  state.shown = std::move(indices);
}

void GifWriter::finish() {
  State& state = *state_;
  check(state.gif != nullptr, "GifWriter::finish", "the animation is finished already");
  check(!state.shown.empty(), "GifWriter::finish", "an animation needs at least one frame");
  GifFileType* gif = std::exchange(state.gif, nullptr);
  int error = 0;
  const int status = EGifCloseFile(gif, &error);
  if (state.output.problem) std::rethrow_exception(state.output.problem);
  check(status == GIF_OK, "GifWriter::finish", "giflib error {}", error);
}

namespace {

void encode_into(const GifWriter::Sink& sink, const std::vector<Image>& frames, int delay_ms, bool loop) {
  check(!frames.empty(), "encode_gif", "an animation needs at least one frame");
  GifWriter writer(sink, frames[0].width, frames[0].height, gif_palette(frames), loop);
  for (const Image& frame : frames) writer.add(frame, delay_ms);
  writer.finish();
}

}  // namespace

std::vector<std::byte> encode_gif(const std::vector<Image>& frames, int delay_ms, bool loop) {
  std::vector<std::byte> out;
  encode_into([&out](std::span<const std::byte> bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); },
              frames, delay_ms, loop);
  return out;
}

void write_gif(const std::filesystem::path& path, const std::vector<Image>& frames, int delay_ms, bool loop) {
  const std::vector<std::byte> bytes =
      encode_gif(frames, delay_ms, loop);  // giflib writes in small pieces: collect
  write_file(path, std::span<const std::byte>(bytes));
}

}  // namespace langevin
