// Pictures of text: colour emoji (HarfBuzz shapes, FreeType decodes the font's bitmaps) and distorted outline
// glyphs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "langevin/io/image.h"

namespace langevin {

/// Where the operating system keeps its fonts (those that exist).
std::vector<std::filesystem::path> system_font_folders();

/// Files below `places` (files, or folders searched to the bottom) whose extension is one of `extensions`
/// (lower case, with the dot; compared without case). Sorted, each once. Error if a place does not exist;
/// unreadable folders are passed over.
std::vector<std::filesystem::path> find_fonts(const std::vector<std::filesystem::path>& places,
                                              const std::vector<std::string>& extensions);

/// A font of colour bitmaps (tables CBDT or sbix). For one thread at a time; open one a thread.
class ColorFont {
 public:
  /// Takes the strike that fits pictures of `size` pixels best. Error if it is no such font.
  ColorFont(const std::filesystem::path& path, int size);
  ~ColorFont();
  ColorFont(const ColorFont&) = delete;
  ColorFont& operator=(const ColorFont&) = delete;

  /// The one glyph that the font has for the whole sequence; none if it would show several or a missing-glyph
  /// box.
  std::optional<uint32_t> glyph(std::span<const uint32_t> codepoints) const;
  /// The font's own bitmap, RGBA; none if the glyph has no picture.
  std::optional<Image> picture(uint32_t glyph) const;
  /// A text of the font's name table in English, "" if it has none; `id` is OpenType's (0 copyright, 4 name,
  /// 13 licence).
  std::string name(unsigned id) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// RGBA, size x size: the bitmap centred on a transparent square of its longer side, each pixel of the result
/// the mean over its area (enlarging is linear).
Image fit_square(const Image& bitmap, int size);

/// How a glyph is distorted. Lengths as fractions of what they are said to be of.
struct GlyphStyle {
  double height = 0.7;    // of the picture's side, before shear and rotation
  double aspect = 1;      // width factor
  double weight = 0;      // added to the stroke's width, of the em; may be negative
  double shear = 0;       // dx/dy; positive leans right
  double rotation = 0;    // radians, positive turns left
  double dx = 0, dy = 0;  // of the free room: -1 at the left (bottom) edge, 0 centred, 1 at the right (top)
};

/// A scalable face. For one thread at a time.
class OutlineFont {
 public:
  /// Error if it cannot be read or has no scalable outlines.
  OutlineFont(const std::filesystem::path& path, int face_index);
  ~OutlineFont();
  OutlineFont(const OutlineFont&) = delete;
  OutlineFont& operator=(const OutlineFont&) = delete;

  const std::string& family() const { return family_; }
  const std::string& style() const { return style_; }
  int face_count() const;
  /// Every character has its own glyph with ink, and the face is not a symbol font.
  bool has_text(std::span<const uint32_t> characters) const;
  /// Antialiased white on black, one channel, size x size, all ink inside a border of one pixel. Error if the
  /// glyph is absent.
  Image draw(uint32_t character, const GlyphStyle& style, int size) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::string family_, style_;
};

}  // namespace langevin
