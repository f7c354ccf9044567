// `langevin data emoji`: a labelled, captioned picture set from the system's colour emoji font and Unicode's
// names. Names and groups: Unicode Technical Standard #51, emoji-test.txt (fully-qualified sequences only).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "langevin/core/console.h"

namespace langevin {

struct EmojiOptions {
  std::filesystem::path out;        // folder to make
  int size = 64;                    // side of the pictures in pixels, 8..512
  std::vector<std::string> groups;  // empty: all; case-insensitive name, slug or unique prefix ("smileys")
  bool skin_tones = false;          // also the variants with skin tones
  std::string background = "none";  // "none": RGBA; "#rrggbb": opaque RGB over that colour
  std::filesystem::path font;     // colour bitmap font (CBDT); empty: NotoColorEmoji.ttf of the font folders
  std::filesystem::path names;    // emoji-test.txt; empty: the one of Debian's package unicode-data
  bool force = false;             // replace a set that this function made earlier
  int threads = 0;                // 0: one a core
  std::function<bool()> stopped;  // asked between pictures; true: Error, and nothing is left
};

struct EmojiSummary {
  int64_t written = 0;                                     // pictures
  int64_t skipped = 0;                                     // sequences the font has not as one picture
  std::vector<std::pair<std::string, int64_t>> per_group;  // slug, pictures; in Unicode's order
  std::filesystem::path font, names;                       // what was used
};

/// Writes out/<group slug>/<name slug>.png, out/metadata.jsonl (file_name, text, emoji, group, subgroup),
/// out/LICENSE.txt. The folder appears whole or not at all. UsageError: option out of range, unknown group.
/// Error: font or names absent or unusable, `out` exists with other content (or without `force`).
EmojiSummary make_emoji(const EmojiOptions& options, Console& console);

/// One line of emoji-test.txt.
struct EmojiEntry {
  std::vector<uint32_t> codepoints;
  std::string name, group, subgroup;
  bool skin_tone = false;  // holds one of U+1F3FB..U+1F3FF
};

/// The fully-qualified entries of emoji-test.txt, in its order. Error names `source` and the line.
std::vector<EmojiEntry> parse_emoji_test(const std::string& text, const std::string& source);

/// "Smileys & Emotion" -> "smileys-emotion": lower-case ASCII letters, digits and single hyphens; accents
/// fall off.
std::string slug(const std::string& text);

/// The names of `known` that `wanted` mean (whole name, slug or unique prefix of it; case-insensitive), in
/// the order of `known`; all when `wanted` is empty. UsageError lists what there is.
std::vector<std::string> choose_groups(const std::vector<std::string>& wanted,
                                       const std::vector<std::string>& known);

}  // namespace langevin
