#include "langevin/data/emoji.h"

#include <hb.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "langevin/core/atomic_file.h"
#include "langevin/core/check.h"
#include "langevin/data/output_folder.h"
#include "langevin/data/parallel.h"
#include "langevin/data/resize.h"
#include "langevin/data/text_render.h"
#include "langevin/data/worker_pool.h"
#include "langevin/io/png.h"

namespace langevin {
namespace {

namespace fs = std::filesystem;
constexpr const char* kind = "langevin data emoji";
constexpr const char* names_default = "/usr/share/unicode/emoji/emoji-test.txt";
constexpr const char* font_default = "NotoColorEmoji.ttf";
constexpr size_t names_limit = size_t{16} << 20;
constexpr size_t sequence_limit = 32;

std::string trim(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\r");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

void append_utf8(std::string& text, uint32_t c) {
  const auto put = [&](uint32_t byte) { text += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6), put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 0x3F)), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  }
}

std::string utf8(const std::vector<uint32_t>& codepoints) {
  std::string text;
  for (const uint32_t c : codepoints) append_utf8(text, c);
  return text;
}

// The next code point of UTF-8 text; a byte that is no valid start counts as U+FFFD.
uint32_t next_codepoint(const std::string& text, size_t& at) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[i])); };
  const uint32_t first = byte(at++);
  if (first < 0x80) return first;
  const size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : 0;
  if (more == 0 || at + more > text.size()) return 0xFFFD;
  uint32_t code = first & (0x3Fu >> more);
  for (size_t k = 0; k < more; ++k) code = code << 6 | (byte(at++) & 0x3F);
  return code;
}

// The first letter of the canonical decomposition: "é" -> "e".
uint32_t without_accents(uint32_t code) {
  hb_codepoint_t base = code, mark = 0;
  while (hb_unicode_decompose(hb_unicode_funcs_get_default(), code, &base, &mark) && base != code)
    code = base;
  return code;
}

std::vector<uint32_t> parse_codepoints(const std::string& field, const std::string& where) {
  std::vector<uint32_t> codepoints;
  size_t at = 0;
  while ((at = field.find_first_not_of(' ', at)) != std::string::npos) {
    const std::string word = field.substr(at, field.find(' ', at) - at);
    at += word.size();
    const bool hex =
        word.size() <= 6 && word.find_first_not_of("0123456789ABCDEFabcdef") == std::string::npos;
    const unsigned long code = hex ? std::stoul(word, nullptr, 16) : 0;
    if (!hex || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000) || codepoints.size() == sequence_limit) {
      fail("{}: '{}' is no code point; the file must be Unicode's emoji-test.txt", where, word);
    }
    codepoints.push_back(static_cast<uint32_t>(code));
  }
  if (codepoints.empty()) fail("{}: no code points; the file must be Unicode's emoji-test.txt", where);
  return codepoints;
}

// "U+263A E0.6 smiling face" after the '#': emoji, version, name.
std::string parse_name(const std::string& comment, const std::string& where) {
  const size_t version = comment.find(" E", comment.find_first_not_of(' '));
  const size_t space = version == std::string::npos ? version : comment.find(' ', version + 2);
  const std::string name = space == std::string::npos ? "" : trim(comment.substr(space));
  if (name.empty()) fail("{}: no name after '#'; the file must be Unicode's emoji-test.txt", where);
  return name;
}

struct Job {
  const EmojiEntry* entry;
  uint32_t glyph;
  std::string file_name;
};

std::vector<std::string> groups_of(const std::vector<EmojiEntry>& entries) {
  std::vector<std::string> groups;
  for (const EmojiEntry& entry : entries) {
    if (std::find(groups.begin(), groups.end(), entry.group) == groups.end()) groups.push_back(entry.group);
  }
  return groups;
}

fs::path find_emoji_font(const fs::path& asked) {
  if (!asked.empty()) return asked;
  for (const fs::path& path : find_fonts(system_font_folders(), {".ttf"})) {
    if (path.filename() == font_default) return path;
  }
  fail("emoji: no {} in the system's font folders; install fonts-noto-color-emoji or give --font FILE",
       font_default);
}

std::vector<EmojiEntry> read_names(const fs::path& path) {
  if (!fs::exists(path)) {
    fail(
        "{}: Unicode's emoji names are not there; install unicode-data or give --names FILE (emoji-test.txt)",
        path.string());
  }
  return parse_emoji_test(read_file(path, names_limit), path.string());
}

// What to draw, in Unicode's order; counts what the font lacks.
std::vector<Job> plan(const std::vector<EmojiEntry>& entries, const std::vector<std::string>& groups,
                      bool skin_tones, const ColorFont& font, int64_t& skipped) {
  std::vector<Job> jobs;
  std::set<std::string> used;
  for (const EmojiEntry& entry : entries) {
    if (entry.skin_tone && !skin_tones) continue;
    if (std::find(groups.begin(), groups.end(), entry.group) == groups.end()) continue;
    const std::optional<uint32_t> glyph = font.glyph(entry.codepoints);
    if (!glyph) {
      ++skipped;
      continue;
    }
    const std::string stem = slug(entry.group) + "/" + slug(entry.name);
    std::string name = stem;
    for (int n = 2; !used.insert(name).second; ++n) name = fmt::format("{}-{}", stem, n);
    jobs.push_back({&entry, *glyph, name + ".png"});
  }
  return jobs;
}

std::string licence_text(const ColorFont& font, const fs::path& path) {
  const std::string copyright = font.name(0), family = font.name(4), version = font.name(5),
                    licence = font.name(13), url = font.name(14);
  const bool noto = family.starts_with("Noto");
  return fmt::format(
      "The pictures in this folder are glyphs of the font {} ({}; {}).\n{}\n\nLicence, in the font's own "
      "words:\n{}\n{}\n"
      "{}\nNames, groups and subgroups in metadata.jsonl: Unicode, Inc., emoji-test.txt of UTS #51, under "
      "the Unicode "
      "License,\nhttps://www.unicode.org/license.txt\n",
      family, version, path.filename().string(), copyright,
      licence.empty() ? "(the font says nothing)" : licence, url,
      noto ? "Noto fonts are licensed under the SIL Open Font License, Version 1.1: "
             "https://openfontlicense.org\n"
           : "");
}

void check_options(const EmojiOptions& options) {
  if (options.size < 8 || options.size > 512)
    fail_usage("emoji: size must be 8..512 pixels, got {}", options.size);
  if (options.background != "none") parse_colour(options.background);
}

// Draws every job; the result says which of them the font really had a picture for.
std::vector<char> draw_all(const std::vector<Job>& jobs, const EmojiOptions& options,
                           const fs::path& font_path, const OutputFolder& output, Console& console) {
  std::vector<char> drawn(jobs.size(), 0);
  const std::optional<Colour> background =
      options.background == "none" ? std::nullopt : std::optional(parse_colour(options.background));
  SharedProgress progress(console, "emoji", "images", static_cast<int64_t>(jobs.size()));
  WorkerPool<ColorFont> fonts([&] { return std::make_unique<ColorFont>(font_path, options.size); });
  parallel_for(static_cast<int64_t>(jobs.size()), options.threads, [&](int64_t i) {
    if (options.stopped && options.stopped()) fail("emoji: stopped; nothing was made");
    const Job& job = jobs[static_cast<size_t>(i)];
    const auto bitmap = fonts.with([&](const ColorFont& font) { return font.picture(job.glyph); });
    if (bitmap) {
      const Image image = fit_square(*bitmap, options.size);
      output.write(job.file_name, encode_png(background ? flatten(image, *background) : image));
      drawn[static_cast<size_t>(i)] = 1;
    }
    progress.add_one();
  });
  progress.finish();
  return drawn;
}

std::string metadata_line(const Job& job) {
  const nlohmann::ordered_json line = {{"file_name", job.file_name},
                                       {"text", job.entry->name},
                                       {"emoji", utf8(job.entry->codepoints)},
                                       {"group", job.entry->group},
                                       {"subgroup", job.entry->subgroup}};
  return line.dump() + "\n";
}

}  // namespace

std::vector<EmojiEntry> parse_emoji_test(const std::string& text, const std::string& source) {
  std::vector<EmojiEntry> entries;
  std::string group, subgroup;
  size_t number = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = trim(text.substr(at, end - at));
    at = end + 1;
    ++number;
    const auto value_of = [&](const std::string& key) {
      return line.starts_with(key) ? trim(line.substr(key.size())) : std::string();
    };
    if (const std::string name = value_of("# group:"); !name.empty()) group = name;
    if (const std::string name = value_of("# subgroup:"); !name.empty()) subgroup = name;
    const size_t semicolon = line.find(';'),
                 hash = line.find('#', semicolon == std::string::npos ? 0 : semicolon);
    if (line.empty() || line[0] == '#' || semicolon == std::string::npos || hash == std::string::npos)
      continue;
    if (trim(line.substr(semicolon + 1, hash - semicolon - 1)) != "fully-qualified") continue;

    const std::string where = fmt::format("{}, line {}", source, number);
    EmojiEntry entry{parse_codepoints(trim(line.substr(0, semicolon)), where),
                     parse_name(line.substr(hash + 1), where), group, subgroup, false};
    entry.skin_tone = std::any_of(entry.codepoints.begin(), entry.codepoints.end(),
                                  [](uint32_t c) { return c >= 0x1F3FB && c <= 0x1F3FF; });
    if (slug(entry.group).empty() || slug(entry.name).empty()) {
      fail("{}: group or name has no letters; the file must be Unicode's emoji-test.txt", where);
    }
    entries.push_back(std::move(entry));
  }
  if (entries.empty())
    fail("{}: no fully-qualified emoji; the file must be Unicode's emoji-test.txt", source);
  return entries;
}

std::string slug(const std::string& text) {
  std::string result;
  bool gap = false;
  const auto put = [&](const std::string& letters) {
    if (gap && !result.empty()) result += '-';
    gap = false;
    result += letters;
  };
  for (size_t at = 0; at < text.size();) {
    const uint32_t code = without_accents(next_codepoint(text, at));
    const char c = code < 0x80 ? static_cast<char>(code) : '\0';
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      put(std::string(1, c));
    } else if (c >= 'A' && c <= 'Z') {
      put(std::string(1, static_cast<char>(c - 'A' + 'a')));
    } else if (c == '#' || c == '*') {  // the two keycaps whose names differ in nothing else
      gap = true;
      put(c == '#' ? "hash" : "asterisk");
    } else if (c != '.' && c != '\'' && code != 0x2019) {  // "U.S.", "man's"
      gap = true;
    }
  }
  return result.substr(0, 120);
}

std::vector<std::string> choose_groups(const std::vector<std::string>& wanted,
                                       const std::vector<std::string>& known) {
  if (wanted.empty()) return known;
  std::vector<char> chosen(known.size(), 0);
  for (const std::string& word : wanted) {
    const std::string key = slug(word);
    std::vector<size_t> matches;
    for (size_t i = 0; i < known.size(); ++i) {
      const std::string name = slug(known[i]);
      if (name == key) {
        matches = {i};
        break;
      }
      if (!key.empty() && name.starts_with(key)) matches.push_back(i);
    }
    if (matches.size() != 1) {
      std::string list;
      for (const std::string& name : known) list += (list.empty() ? "" : ", ") + slug(name);
      fail_usage("{} group '{}'; known: {}", matches.empty() ? "unknown" : "ambiguous", word, list);
    }
    chosen[matches[0]] = 1;
  }
  std::vector<std::string> result;
  for (size_t i = 0; i < known.size(); ++i) {
    if (chosen[i]) result.push_back(known[i]);
  }
  return result;
}

EmojiSummary make_emoji(const EmojiOptions& options, Console& console) {
  check_options(options);
  EmojiSummary summary;
  summary.names = options.names.empty() ? fs::path(names_default) : options.names;
  const std::vector<EmojiEntry> entries = read_names(summary.names);
  const std::vector<std::string> groups = choose_groups(options.groups, groups_of(entries));
  summary.font = find_emoji_font(options.font);
  const ColorFont font(summary.font, options.size);
  const std::vector<Job> jobs = plan(entries, groups, options.skin_tones, font, summary.skipped);

  OutputFolder output(options.out, kind, options.force);
  for (const std::string& group : groups) fs::create_directory(output.path() / slug(group));
  const std::vector<char> drawn = draw_all(jobs, options, summary.font, output, console);

  for (const std::string& group : groups) summary.per_group.emplace_back(slug(group), 0);
  std::string metadata;
  for (size_t i = 0; i < jobs.size(); ++i) {
    if (!drawn[i]) {
      ++summary.skipped;
      continue;
    }
    ++summary.written;
    metadata += metadata_line(jobs[i]);
    const auto group = std::find(groups.begin(), groups.end(), jobs[i].entry->group) - groups.begin();
    ++summary.per_group[static_cast<size_t>(group)].second;
  }
  if (summary.written == 0) {
    fail("{}: has a picture for none of the {} emoji asked for; use another --font", summary.font.string(),
         summary.skipped);
  }
  output.write("metadata.jsonl", metadata);
  output.write("LICENSE.txt", licence_text(font, summary.font));
  output.commit({{"size", options.size},
                 {"background", options.background},
                 {"skin_tones", options.skin_tones},
                 {"font", font.name(4) + ", " + font.name(5)},
                 {"count", summary.written},
                 {"skipped", summary.skipped}});
  return summary;
}

}  // namespace langevin
