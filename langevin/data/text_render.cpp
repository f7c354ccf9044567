#include "langevin/data/text_render.h"

#include <ft2build.h>
#include FT_FREETYPE_H
#include FT_BBOX_H
#include FT_OUTLINE_H
#include FT_TRUETYPE_TABLES_H
#include <hb-ot.h>
#include <hb.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <system_error>

#include "langevin/core/check.h"
#include "langevin/data/resize.h"

namespace langevin {
namespace {

namespace fs = std::filesystem;
constexpr uintmax_t font_file_limit = uintmax_t{512} << 20;
constexpr unsigned bitmap_side_limit = 4096;

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

struct LibraryCloser {
  void operator()(FT_Library library) const { FT_Done_FreeType(library); }
};
struct FaceCloser {
  void operator()(FT_Face face) const { FT_Done_Face(face); }
};
using Library = std::unique_ptr<FT_LibraryRec_, LibraryCloser>;
using Face = std::unique_ptr<FT_FaceRec_, FaceCloser>;

// The library must outlive the face: members are destroyed in reverse order.
struct OpenFace {
  Library library;
  Face face;
};

OpenFace open_face(const fs::path& path, int index) {
  std::error_code error;
  const uintmax_t bytes = fs::file_size(path, error);
  if (error) fail("{}: cannot be read: {}", path.string(), error.message());
  if (bytes > font_file_limit) fail("{}: too large for a font ({} bytes)", path.string(), bytes);
  OpenFace open;
  FT_Library library = nullptr;
  if (FT_Init_FreeType(&library) != 0) fail("FreeType cannot be started: out of memory?");
  open.library.reset(library);
  FT_Face face = nullptr;
  if (FT_New_Face(library, path.c_str(), index, &face) != 0)
    fail("{}: not a font that FreeType knows", path.string());
  open.face.reset(face);
  return open;
}

bool has_table(FT_Face face, FT_ULong tag) {
  FT_ULong length = 0;
  return FT_Load_Sfnt_Table(face, tag, 0, nullptr, &length) == 0 && length > 0;
}

// The smallest strike of at least `size` pixels, or the largest there is.
int best_strike(FT_Face face, int size) {
  int best = 0;
  for (int i = 1; i < face->num_fixed_sizes; ++i) {
    const auto side = [&](int k) { return face->available_sizes[k].y_ppem >> 6; };
    const bool large = side(i) >= size, best_large = side(best) >= size;
    if (large != best_large ? large : (large ? side(i) < side(best) : side(i) > side(best))) best = i;
  }
  return best;
}

void require_colour_bitmaps(FT_Face face, const fs::path& path) {
  const bool bitmaps =
      has_table(face, FT_MAKE_TAG('C', 'B', 'D', 'T')) || has_table(face, FT_MAKE_TAG('s', 'b', 'i', 'x'));
  if (bitmaps && FT_HAS_COLOR(face) && FT_HAS_FIXED_SIZES(face)) return;
  const char* kind = has_table(face, FT_MAKE_TAG('C', 'O', 'L', 'R'))   ? "layered outlines (COLR)"
                     : has_table(face, FT_MAKE_TAG('S', 'V', 'G', ' ')) ? "SVG pictures"
                                                                        : "no colour at all";
  fail(
      "{}: has {}, and colour bitmaps (CBDT or sbix) are needed; use NotoColorEmoji.ttf of Debian's "
      "fonts-noto-color-emoji",
      path.string(), kind);
}

struct BlobCloser {
  void operator()(hb_blob_t* blob) const { hb_blob_destroy(blob); }
};
struct ShapingFaceCloser {
  void operator()(hb_face_t* face) const { hb_face_destroy(face); }
};
struct ShaperCloser {
  void operator()(hb_font_t* font) const { hb_font_destroy(font); }
};
struct BufferCloser {
  void operator()(hb_buffer_t* buffer) const { hb_buffer_destroy(buffer); }
};

// FreeType gives premultiplied BGRA.
Image straight_rgba(const FT_Bitmap& bitmap) {
  Image image = make_image(static_cast<int>(bitmap.width), static_cast<int>(bitmap.rows), 4);
  for (int y = 0; y < image.height; ++y) {
    const uint8_t* row = bitmap.buffer + static_cast<ptrdiff_t>(y) * bitmap.pitch;
    for (int x = 0; x < image.width; ++x) {
      const unsigned alpha = row[4 * x + 3];
      if (alpha == 0) continue;
      for (int c = 0; c < 3; ++c) {
        const unsigned value = (row[4 * x + 2 - c] * 255u + alpha / 2) / alpha;
        image.at(x, y, c) = static_cast<uint8_t>(std::min(value, 255u));
      }
      image.at(x, y, 3) = static_cast<uint8_t>(alpha);
    }
  }
  return image;
}

}  // namespace

std::vector<fs::path> system_font_folders() {
  std::vector<fs::path> folders;
  for (const char* folder : {"/usr/share/fonts", "/usr/local/share/fonts", "/usr/share/X11/fonts",
                             "/System/Library/Fonts", "/Library/Fonts"}) {
    std::error_code ignored;
    if (fs::is_directory(folder, ignored)) folders.emplace_back(folder);
  }
  return folders;
}

std::vector<fs::path> find_fonts(const std::vector<fs::path>& places,
                                 const std::vector<std::string>& extensions) {
  std::vector<fs::path> found;
  const auto wanted = [&](const fs::path& path) {
    return std::find(extensions.begin(), extensions.end(), lower(path.extension().string())) !=
           extensions.end();
  };
  for (const fs::path& place : places) {
    std::error_code error;
    if (!fs::exists(place, error)) fail("{}: no such font file or folder", place.string());
    if (fs::is_regular_file(place, error)) {
      found.push_back(place);
      continue;
    }
    fs::recursive_directory_iterator entry(place, fs::directory_options::skip_permission_denied, error), end;
    for (; !error && entry != end; entry.increment(error)) {
      std::error_code unreadable;
      if (wanted(entry->path()) && entry->is_regular_file(unreadable)) found.push_back(entry->path());
    }
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

struct ColorFont::State {
  OpenFace open;
  std::unique_ptr<hb_blob_t, BlobCloser> blob;
  std::unique_ptr<hb_face_t, ShapingFaceCloser> face;
  std::unique_ptr<hb_font_t, ShaperCloser> font;
};

ColorFont::ColorFont(const fs::path& path, int size) : state_(std::make_unique<State>()) {
  state_->open = open_face(path, 0);
  FT_Face face = state_->open.face.get();
  require_colour_bitmaps(face, path);
  if (FT_Select_Size(face, best_strike(face, size)) != 0)
    fail("{}: its bitmaps cannot be selected", path.string());
  state_->blob.reset(hb_blob_create_from_file(path.c_str()));
  state_->face.reset(hb_face_create(state_->blob.get(), 0));
  state_->font.reset(hb_font_create(state_->face.get()));
}

ColorFont::~ColorFont() = default;

std::optional<uint32_t> ColorFont::glyph(std::span<const uint32_t> codepoints) const {
  const std::unique_ptr<hb_buffer_t, BufferCloser> buffer(hb_buffer_create());
  const int length = static_cast<int>(codepoints.size());
  hb_buffer_add_utf32(buffer.get(), codepoints.data(), length, 0, length);
  hb_buffer_set_direction(buffer.get(), HB_DIRECTION_LTR);
  hb_buffer_set_script(buffer.get(), HB_SCRIPT_COMMON);
  hb_buffer_set_language(buffer.get(), hb_language_from_string("en", -1));  // not the locale's
  // Variation selectors that no ligature took leave no glyph of their own.
  hb_buffer_set_flags(buffer.get(), HB_BUFFER_FLAG_REMOVE_DEFAULT_IGNORABLES);
  hb_shape(state_->font.get(), buffer.get(), nullptr, 0);
  unsigned count = 0;
  const hb_glyph_info_t* glyphs = hb_buffer_get_glyph_infos(buffer.get(), &count);
  if (count != 1 || glyphs[0].codepoint == 0) return std::nullopt;
  return glyphs[0].codepoint;
}

std::optional<Image> ColorFont::picture(uint32_t glyph) const {
  FT_Face face = state_->open.face.get();
  if (FT_Load_Glyph(face, glyph, FT_LOAD_COLOR) != 0) return std::nullopt;
  const FT_Bitmap& bitmap = face->glyph->bitmap;
  if (bitmap.pixel_mode != FT_PIXEL_MODE_BGRA || bitmap.width == 0 || bitmap.rows == 0) return std::nullopt;
  if (bitmap.width > bitmap_side_limit || bitmap.rows > bitmap_side_limit) return std::nullopt;
  return straight_rgba(bitmap);
}

std::string ColorFont::name(unsigned id) const {
  std::string text(4096, '\0');
  unsigned size = static_cast<unsigned>(text.size());
  hb_ot_name_get_utf8(state_->face.get(), id, hb_language_from_string("en", -1), &size, text.data());
  text.resize(size);
  return text;
}

Image fit_square(const Image& bitmap, int size) {
  check_image(bitmap, "fit_square");
  check(bitmap.channels == 4, "fit_square", "needs RGBA, got {} channels", bitmap.channels);
  const int side = std::max(bitmap.width, bitmap.height);
  Image square = make_image(side, side, 4);
  const int left = (side - bitmap.width) / 2, top = (side - bitmap.height) / 2;
  for (int y = 0; y < bitmap.height; ++y) {
    std::copy_n(bitmap.pixels.begin() + static_cast<ptrdiff_t>(bitmap.index(0, y, 0)), 4 * bitmap.width,
                square.pixels.begin() + static_cast<ptrdiff_t>(square.index(left, y + top, 0)));
  }
  return side == size ? square : resize(square, {size, size}, size < side ? Filter::box : Filter::triangle);
}

struct OutlineFont::State {
  OpenFace open;
  fs::path path;
};

OutlineFont::OutlineFont(const fs::path& path, int face_index) : state_(std::make_unique<State>()) {
  state_->open = open_face(path, face_index);
  state_->path = path;
  FT_Face face = state_->open.face.get();
  if (!FT_IS_SCALABLE(face)) fail("{}: has no scalable outlines", path.string());
  family_ = face->family_name ? face->family_name : path.stem().string();
  style_ = face->style_name ? face->style_name : "";
}

OutlineFont::~OutlineFont() = default;

int OutlineFont::face_count() const { return static_cast<int>(state_->open.face->num_faces); }

bool OutlineFont::has_text(std::span<const uint32_t> characters) const {
  FT_Face face = state_->open.face.get();
  for (int i = 0; i < face->num_charmaps; ++i) {
    if (face->charmaps[i]->encoding == FT_ENCODING_MS_SYMBOL) return false;
  }
  if (FT_Select_Charmap(face, FT_ENCODING_UNICODE) != 0) return false;
  std::vector<FT_UInt> seen;
  for (const uint32_t character : characters) {
    const FT_UInt glyph = FT_Get_Char_Index(face, character);
    if (glyph == 0 || std::find(seen.begin(), seen.end(), glyph) != seen.end()) return false;
    seen.push_back(glyph);
    if (FT_Load_Glyph(face, glyph, FT_LOAD_NO_SCALE) != 0) return false;
    if (face->glyph->format != FT_GLYPH_FORMAT_OUTLINE) return false;
    FT_BBox box;
    FT_Outline_Get_CBox(&face->glyph->outline, &box);
    if (face->glyph->outline.n_contours == 0 || box.xMax <= box.xMin || box.yMax <= box.yMin) return false;
  }
  return true;
}

namespace {

constexpr double pixel = 64;  // FreeType's units: 1/64 of a pixel

FT_BBox ink_box(FT_Outline& outline) {
  FT_BBox box{};
  FT_Outline_Get_BBox(&outline, &box);
  return box;
}

void transform(FT_Outline& outline, double xx, double xy, double yx, double yy) {
  const auto fixed = [](double value) { return static_cast<FT_Fixed>(std::lround(value * 65536)); };
  FT_Matrix matrix{fixed(xx), fixed(xy), fixed(yx), fixed(yy)};
  FT_Outline_Transform(&outline, &matrix);
}

// Weight, size, shear, rotation, and a last scaling down where the result would leave the picture.
void distort(FT_Outline& outline, const GlyphStyle& style, int size, FT_Pos em) {
  if (style.weight != 0) FT_Outline_Embolden(&outline, std::lround(style.weight * static_cast<double>(em)));
  FT_BBox box = ink_box(outline);
  const double tall = std::max<double>(1, static_cast<double>(box.yMax - box.yMin));
  const double scale = style.height * size * pixel / tall;
  const double c = std::cos(style.rotation), s = std::sin(style.rotation);
  const double width = scale * style.aspect;
  // rotation * shear * scale
  transform(outline, c * width, (c * style.shear - s) * scale, s * width, (s * style.shear + c) * scale);
  box = ink_box(outline);
  const double room = (size - 2) * pixel - 4;  // rounding of the points must not reach the border
  const double longest = static_cast<double>(std::max(box.xMax - box.xMin, box.yMax - box.yMin));
  if (longest > room) transform(outline, room / longest, 0, 0, room / longest);
}

void place(FT_Outline& outline, const GlyphStyle& style, int size) {
  const FT_BBox box = ink_box(outline);
  const auto start = [&](FT_Pos lo, FT_Pos hi, double where) {
    const double room = std::max(0.0, (size - 2) * pixel - static_cast<double>(hi - lo));
    return static_cast<FT_Pos>(std::floor(pixel + room * (where + 1) / 2)) - lo;
  };
  FT_Outline_Translate(&outline, start(box.xMin, box.xMax, std::clamp(style.dx, -1.0, 1.0)),
                       start(box.yMin, box.yMax, std::clamp(style.dy, -1.0, 1.0)));
}

}  // namespace

Image OutlineFont::draw(uint32_t character, const GlyphStyle& style, int size) const {
  check(size >= 4 && size <= 4096, "OutlineFont::draw", "size must be 4..4096, got {}", size);
  FT_Face face = state_->open.face.get();
  const auto glyph_load = [&] {
    const FT_UInt glyph = FT_Get_Char_Index(face, character);
    return glyph != 0 && FT_Set_Pixel_Sizes(face, 0, static_cast<FT_UInt>(4 * size)) == 0 &&
           FT_Load_Glyph(face, glyph, FT_LOAD_NO_HINTING | FT_LOAD_NO_BITMAP) == 0 &&
           face->glyph->format == FT_GLYPH_FORMAT_OUTLINE;
  };
  if (!glyph_load()) fail("{}: has no outline for U+{:04X}", state_->path.string(), character);
  FT_Outline& outline = face->glyph->outline;
  distort(outline, style, size, FT_Pos{4} * size * 64);
  place(outline, style, size);

  Image image = make_image(size, size, 1);
  FT_Bitmap bitmap{};
  bitmap.rows = bitmap.width = static_cast<unsigned>(size);
  bitmap.pitch = size;
  bitmap.buffer = image.pixels.data();
  bitmap.num_grays = 256;
  bitmap.pixel_mode = FT_PIXEL_MODE_GRAY;
  if (FT_Outline_Get_Bitmap(state_->open.library.get(), &outline, &bitmap) != 0) {
    fail("{}: cannot draw U+{:04X}", state_->path.string(), character);
  }
  return image;
}

}  // namespace langevin
