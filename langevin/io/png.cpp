#include "langevin/io/png.h"

#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <exception>

#include "langevin/core/atomic_file.h"
#include "langevin/core/check.h"

// libpng reports errors by longjmp. Every call that may fail runs inside guarded(), whose frames hold nothing
// that needs a destructor; all C++ objects live in the frames outside it.
namespace langevin {
namespace {

constexpr size_t kMaxText = size_t{4} << 20;  // the reader below stops at 8 MB a chunk
constexpr size_t kSignature = 8;

struct Status {
  char message[160] = "unknown error";
};

void on_error(png_structp png, png_const_charp message) {
  auto* status = static_cast<Status*>(png_get_error_ptr(png));
  std::snprintf(status->message, sizeof status->message, "%s", message);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

template <class Function>
bool guarded(png_structp png, const Function& function) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;  // NOLINT: libpng's only way
  function();
  return true;
}

struct Source {
  const std::byte* data;
  size_t left;
};

void on_read(png_structp png, png_bytep out, size_t count) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (count > source->left) png_error(png, "the file is truncated");
  std::memcpy(out, source->data, count);
  source->data += count;
  source->left -= count;
}

bool is_chunk(std::span<const std::byte> bytes, size_t at, std::string_view type) {
  return std::memcmp(bytes.data() + at + 4, type.data(), 4) == 0;
}

/// Every chunk must lie inside the file (up to the first IDAT when only the header is wanted): libpng takes
/// and clears the memory that a chunk's length claims before it reads, up to 2 GiB for a file of 50 bytes.
void check_chunks(std::span<const std::byte> bytes, const std::string& name, bool whole_file) {
  for (size_t at = kSignature; at + 12 <= bytes.size();) {
    if (!whole_file && is_chunk(bytes, at, "IDAT")) return;
    size_t length = 0;
    for (size_t i = 0; i < 4; ++i) length = length << 8 | std::to_integer<size_t>(bytes[at + i]);
    if (length > bytes.size() - at - 12) break;
    if (is_chunk(bytes, at, "IEND")) return;
    at += 12 + length;
  }
  fail("{}: damaged PNG, the file is truncated", name);
}

class Reader {
 public:
  Reader(std::span<const std::byte> bytes, const std::string& name, bool whole_file)
      : name_(name), source_{bytes.data(), bytes.size()} {
    if (bytes.size() < kSignature ||
        png_sig_cmp(reinterpret_cast<png_const_bytep>(bytes.data()), 0, 8) != 0) {
      fail("{}: not a PNG file", name_);
    }
    check_chunks(bytes, name_, whole_file);
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &status_, on_error, on_warning);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, &info_, nullptr);
      fail("{}: libpng cannot be started", name_);
    }
    png_set_read_fn(png_, &source_, on_read);
    png_set_user_limits(png_, 0x7fffffff, 0x7fffffff);  // check_image_size decides
    png_set_chunk_malloc_max(png_, 8'000'000);          // for what a compressed text or profile unpacks to
    png_set_chunk_cache_max(png_, 1000);
  }
  ~Reader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  template <class Function>
  void run(const Function& function) {
    if (!guarded(png_, function)) fail("{}: damaged PNG, {}", name_, status_.message);
  }
  void read_info() {
    run([this] { png_read_info(png_, info_); });
  }
  /// Channels after expansion: a palette is RGB, and any transparency makes RGBA.
  int channels() const {
    const int type = png_get_color_type(png_, info_);
    const bool transparent =
        (type & PNG_COLOR_MASK_ALPHA) != 0 || png_get_valid(png_, info_, PNG_INFO_tRNS) != 0;
    if (transparent) return 4;
    return type == PNG_COLOR_TYPE_GRAY ? 1 : 3;
  }
  ImageInfo info() const {
    return {ImageFormat::png, static_cast<int>(png_get_image_width(png_, info_)),
            static_cast<int>(png_get_image_height(png_, info_)), channels()};
  }
  png_structp png() { return png_; }
  png_infop png_info() { return info_; }

 private:
  std::string name_;
  Source source_;
  Status status_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

std::string latin1_to_utf8(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out += c;
    } else {
      out += static_cast<char>(0xc0 | (byte >> 6));
      out += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return out;
}

bool is_printable_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

void check_text(const PngText& text) {
  for (const auto& [key, value] : text) {
    check(!key.empty() && key.size() <= 79 && is_printable_ascii(key) && key.front() != ' ' &&
              key.back() != ' ' && key.find("  ") == std::string::npos,
          "encode_png",
          "a text keyword must be 1 to 79 printable ASCII characters with single inner spaces, got '{}'",
          key);
    check(value.find('\0') == std::string::npos, "encode_png", "the text of '{}' contains a NUL", key);
    check(value.size() <= kMaxText, "encode_png", "the text of '{}' must be at most {} bytes, got {}", key,
          kMaxText, value.size());
  }
}

struct Sink {
  std::vector<std::byte>* bytes;
  std::exception_ptr problem;
};

void on_write(png_structp png, png_bytep data, size_t count) {
  auto* sink = static_cast<Sink*>(png_get_io_ptr(png));
  try {
    const auto* first = reinterpret_cast<const std::byte*>(data);
    sink->bytes->insert(sink->bytes->end(), first, first + count);
  } catch (...) {
    sink->problem = std::current_exception();
  }
  if (sink->problem) png_error(png, "out of memory");  // outside the handler: longjmp must not cross it
}

void on_flush(png_structp) {}

struct Writer {
  png_structp png = nullptr;
  png_infop info = nullptr;
  Status status;

  Writer() {
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &status, on_error, on_warning);
    if (png != nullptr) info = png_create_info_struct(png);
    if (info == nullptr) {
      png_destroy_write_struct(&png, &info);
      fail("encode_png: libpng cannot be started");
    }
  }
  ~Writer() { png_destroy_write_struct(&png, &info); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
};

std::vector<png_text> text_chunks(const PngText& text) {
  std::vector<png_text> chunks(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto& [key, value] = text[i];
    png_text& chunk = chunks[i];
    chunk = {};
    chunk.compression = is_ascii(value) ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
    chunk.key = const_cast<char*>(key.c_str());  // libpng copies, never writes
    chunk.text = const_cast<char*>(value.c_str());
    chunk.text_length = value.size();
  }
  return chunks;
}

int png_colour_type(int channels) {
  if (channels == 1) return PNG_COLOR_TYPE_GRAY;
  return channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_RGB_ALPHA;
}

}  // namespace

std::vector<std::byte> encode_png(const Image& image, const PngText& text) {
  check_image(image, "encode_png");
  check_text(text);
  std::vector<png_text> chunks = text_chunks(text);
  std::vector<std::byte> out;
  Sink sink{&out, nullptr};
  Writer writer;
  png_set_write_fn(writer.png, &sink, on_write, on_flush);
  png_set_user_limits(writer.png, 0x7fffffff, 0x7fffffff);
  const auto stride = static_cast<size_t>(image.width) * static_cast<size_t>(image.channels);
  const bool done = guarded(writer.png, [&] {
    png_structp png = writer.png;
    png_set_IHDR(png, writer.info, static_cast<png_uint_32>(image.width),
                 static_cast<png_uint_32>(image.height), 8, png_colour_type(image.channels),
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (!chunks.empty()) png_set_text(png, writer.info, chunks.data(), static_cast<int>(chunks.size()));
    png_write_info(png, writer.info);
    for (int y = 0; y < image.height; ++y) png_write_row(png, &image.pixels[static_cast<size_t>(y) * stride]);
    png_write_end(png, nullptr);
  });
  if (sink.problem) std::rethrow_exception(sink.problem);
  if (!done) fail("encode_png: {}", writer.status.message);
  return out;
}

void write_png(const std::filesystem::path& path, const Image& image, const PngText& text) {
  write_file(path, std::span<const std::byte>(encode_png(image, text)));
}

ImageInfo probe_png(std::span<const std::byte> bytes, const std::string& name) {
  Reader reader(bytes, name, false);
  reader.read_info();
  return reader.info();
}

Image decode_png(std::span<const std::byte> bytes, const std::string& name, const ImageLimits& limits) {
  check_file_size(name, bytes.size(), limits);
  Reader reader(bytes, name, true);
  reader.read_info();
  const ImageInfo info = reader.info();
  check_image_size(name, info.width, info.height, info.channels, limits);
  png_structp png = reader.png();
  reader.run([&] {
    png_set_expand(png);
    png_set_scale_16(png);
    if (info.channels == 4) {
      png_set_gray_to_rgb(png);  // no effect on what is RGB already
    }
    png_set_interlace_handling(png);
    png_read_update_info(png, reader.png_info());
  });
  Image image = make_image(info.width, info.height, info.channels);
  const auto stride = static_cast<size_t>(info.width) * static_cast<size_t>(info.channels);
  if (png_get_rowbytes(png, reader.png_info()) != stride) fail("{}: this kind of PNG is not read", name);
  std::vector<png_bytep> rows(static_cast<size_t>(info.height));
  for (size_t y = 0; y < rows.size(); ++y) rows[y] = &image.pixels[y * stride];
  reader.run([&] {
    png_read_image(png, rows.data());
    png_read_end(png, nullptr);
  });
  return image;
}

PngText read_png_text(std::span<const std::byte> bytes, const std::string& name) {
  Reader reader(bytes, name, true);
  reader.read_info();
  const ImageInfo info = reader.info();
  check_image_size(name, info.width, info.height, info.channels, {});
  reader.run([&] {
    const int passes = png_set_interlace_handling(reader.png());
    png_read_update_info(reader.png(), reader.png_info());
    for (int row = 0; row < passes * info.height; ++row) png_read_row(reader.png(), nullptr, nullptr);
    png_read_end(reader.png(), reader.png_info());
  });
  png_textp chunks = nullptr;
  int count = 0;
  png_get_text(reader.png(), reader.png_info(), &chunks, &count);
  PngText text;
  for (int i = 0; i < count; ++i) {
    const bool utf8 = chunks[i].compression >= PNG_ITXT_COMPRESSION_NONE;
    const char* value = chunks[i].text == nullptr ? "" : chunks[i].text;
    text.emplace_back(latin1_to_utf8(chunks[i].key), utf8 ? std::string(value) : latin1_to_utf8(value));
  }
  return text;
}

}  // namespace langevin
