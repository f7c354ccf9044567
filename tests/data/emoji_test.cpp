#include "langevin/data/emoji.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "langevin/core/atomic_file.h"
#include "langevin/core/check.h"
#include "langevin/data/text_render.h"
#include "langevin/io/png.h"

namespace langevin {
namespace {

namespace fs = std::filesystem;
constexpr const char* unicode_file = "/usr/share/unicode/emoji/emoji-test.txt";

fs::path emoji_font() {
  for (const fs::path& path : find_fonts(system_font_folders(), {".ttf"})) {
    if (path.filename() == "NotoColorEmoji.ttf") return path;
  }
  return {};
}

// A few lines as Unicode writes them; the last sequence is one that no font draws as one picture.
const std::string few_names = R"(# group: Smileys & Emotion
# subgroup: face-smiling
1F600       ; fully-qualified     # 😀 E1.0 grinning face
263A        ; unqualified         # ☺ E0.6 smiling face

# group: People & Body
# subgroup: hand-fingers-open
1F44B       ; fully-qualified     # 👋 E0.6 waving hand
1F44B 1F3FB ; fully-qualified     # 👋🏻 E1.0 waving hand: light skin tone
# group: Symbols
# subgroup: keycap
0023 FE0F 20E3 ; fully-qualified     # #️⃣ E0.6 keycap: #
002A FE0F 20E3 ; fully-qualified     # *️⃣ E2.0 keycap: *
1F7E5       ; fully-qualified     # 🟥 E12.0 red square
1F7E6       ; fully-qualified     # 🟦 E12.0 blue square
# group: Flags
# subgroup: country-flag
1F1EB 1F1F7 ; fully-qualified     # 🇫🇷 E2.0 flag: France
1F1FE 1F1F9 ; fully-qualified     # 🇾🇹 E2.0 flag: Mayotte
# subgroup: subdivision-flag
1F3F4 E0067 E0062 E0065 E006E E0067 E007F ; fully-qualified # 🏴󠁧󠁢󠁥󠁮󠁧󠁿 E5.0 flag: England
1F600 200D 1F7E5 ; fully-qualified     # 😀‍🟥 E99.0 grinning square
)";

TEST(Emoji, SlugKeepsNamesApart) {
  const std::map<std::string, std::string> cases = {
      {"Smileys & Emotion", "smileys-emotion"},
      {"flag: Åland Islands", "flag-aland-islands"},
      {"flag: Côte d’Ivoire", "flag-cote-divoire"},
      {"flag: U.S. Virgin Islands", "flag-us-virgin-islands"},
      {"flag: Türkiye", "flag-turkiye"},
      {"keycap: #", "keycap-hash"},
      {"keycap: *", "keycap-asterisk"},
      {"Japanese “free of charge” button", "japanese-free-of-charge-button"},
      {"../../etc/passwd", "etc-passwd"},
      {"\xff\xfe", ""},
  };
  for (const auto& [name, expected] : cases) EXPECT_EQ(slug(name), expected) << name;
}

TEST(Emoji, ParsesTheFullyQualifiedLines) {
  const std::vector<EmojiEntry> entries = parse_emoji_test(few_names, "names");
  ASSERT_EQ(entries.size(), 11u);
  EXPECT_EQ(entries[0].name, "grinning face");
  EXPECT_EQ(entries[0].group, "Smileys & Emotion");
  EXPECT_EQ(entries[0].subgroup, "face-smiling");
  EXPECT_EQ(entries[0].codepoints, std::vector<uint32_t>{0x1F600});
  EXPECT_FALSE(entries[1].skin_tone);
  EXPECT_TRUE(entries[2].skin_tone);
  EXPECT_EQ(entries[3].name, "keycap: #");
  EXPECT_EQ(entries[3].codepoints, (std::vector<uint32_t>{0x23, 0xFE0F, 0x20E3}));
  EXPECT_EQ(entries[9].codepoints.size(), 7u);
}

TEST(Emoji, RefusesOtherFiles) {
  const auto error_of = [](const std::string& text) {
    try {
      parse_emoji_test(text, "names");
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_NE(error_of(""), "");
  EXPECT_NE(error_of("hello\nworld\n"), "");
  const std::string head = "# group: A\n# subgroup: b\n";
  EXPECT_NE(error_of(head + "110000 ; fully-qualified # x E1.0 name\n").find("line 3"), std::string::npos);
  EXPECT_NE(error_of(head + "D800 ; fully-qualified # x E1.0 name\n"), "");
  EXPECT_NE(error_of(head + "99999999999999999999 ; fully-qualified # x E1.0 name\n"), "");
  EXPECT_NE(error_of(head + "xyz ; fully-qualified # x E1.0 name\n"), "");
  EXPECT_NE(error_of(head + "; fully-qualified # x E1.0 name\n"), "");
  EXPECT_NE(error_of(head + "1F600 ; fully-qualified # x E1.0\n"), "");
  EXPECT_NE(error_of("1F600 ; fully-qualified # x E1.0 name\n"), "");  // no group
  std::string endless = head;
  for (int i = 0; i < 1000; ++i) endless += "1F600 ";
  EXPECT_NE(error_of(endless + "; fully-qualified # x E1.0 name\n"), "");
}

TEST(Emoji, CountsWhatUnicodesFileSaysItHas) {
  if (!fs::exists(unicode_file)) GTEST_SKIP() << "needs unicode-data";
  const std::string text = read_file(unicode_file, 1 << 24);
  const std::string key = "# fully-qualified : ";
  const size_t at = text.find(key);
  ASSERT_NE(at, std::string::npos);
  EXPECT_EQ(parse_emoji_test(text, "names").size(), std::stoul(text.substr(at + key.size())));
}

TEST(Emoji, GroupsByNameSlugOrUniquePrefix) {
  const std::vector<std::string> known = {"Smileys & Emotion", "People & Body", "Flags", "Food & Drink"};
  using Names = std::vector<std::string>;
  EXPECT_EQ(choose_groups({}, known), known);
  EXPECT_EQ(choose_groups({"FLAGS", "smileys", "smileys-emotion"}, known),
            (Names{"Smileys & Emotion", "Flags"}));
  EXPECT_EQ(choose_groups({"Food & Drink"}, known), Names{"Food & Drink"});
  EXPECT_THROW(choose_groups({"f"}, known), UsageError);
  EXPECT_THROW(choose_groups({""}, known), UsageError);
  try {
    choose_groups({"cars"}, known);
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("people-body"), std::string::npos);
  }
}

TEST(FitSquare, CentresAndAverages) {
  // 4 x 2: red left half, transparent right half, on a 4 x 4 square, halved.
  Image bitmap = make_image(4, 2, 4);
  for (int y = 0; y < 2; ++y) {
    for (int x = 0; x < 2; ++x) bitmap.at(x, y, 0) = bitmap.at(x, y, 3) = 255;
    bitmap.at(2, y, 1) = 255;  // hidden green must not show
  }
  const Image small = fit_square(bitmap, 2);
  ASSERT_EQ(small.pixels.size(), 16u);
  for (int y = 0; y < 2; ++y) {
    EXPECT_EQ(small.at(0, y, 0), 255);
    EXPECT_EQ(small.at(0, y, 1), 0);
    EXPECT_NEAR(small.at(0, y, 3), 128, 1);  // half of each pixel is the margin above or below
    EXPECT_EQ(small.at(1, y, 3), 0);
  }
  EXPECT_EQ(fit_square(bitmap, 4).pixels[4 * 4], 255);  // row 1 starts with red: one empty row above
  EXPECT_EQ(fit_square(bitmap, 4).pixels[0], 0);
}

class EmojiSet : public ::testing::Test {
 protected:
  void SetUp() override {
    if (emoji_font().empty()) GTEST_SKIP() << "needs fonts-noto-color-emoji";
    base = fs::path(::testing::TempDir()) / ("emoji-" + std::to_string(::getpid()) + "-" +
                                             ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(base);
    write_file(base / "names.txt", few_names);
    options.names = base / "names.txt";
    options.out = base / "set";
    options.size = 32;
  }
  void TearDown() override { fs::remove_all(base); }

  Image picture(const std::string& name) const {
    return decode_png(read_bytes(options.out / name, 1 << 20), name);
  }
  // Everything below `folder`, by relative name.
  static std::map<std::string, std::string> contents(const fs::path& folder) {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file()) {
        files[fs::relative(entry.path(), folder).string()] = read_file(entry.path(), 1 << 24);
      }
    }
    return files;
  }
  size_t siblings() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(base), fs::directory_iterator()));
  }
  std::string error_of() {
    try {
      make_emoji(options, console);
    } catch (const Error& error) {
      return error.what();
    }
    ADD_FAILURE() << "no error";
    return "";
  }

  fs::path base;
  EmojiOptions options;
  Console console{Console::Level::quiet, std::tmpfile()};
};

TEST_F(EmojiSet, MakesAClassFolderAGroupWithCaptions) {
  const EmojiSummary summary = make_emoji(options, console);
  EXPECT_EQ(summary.written, 9);  // 11 lines less the skin tone and the impossible sequence
  EXPECT_EQ(summary.skipped, 1);
  const std::vector<std::pair<std::string, int64_t>> groups = {
      {"smileys-emotion", 1}, {"people-body", 1}, {"symbols", 4}, {"flags", 3}};
  EXPECT_EQ(summary.per_group, groups);

  std::istringstream lines(read_file(options.out / "metadata.jsonl", 1 << 20));
  std::set<std::string> named;
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json entry = nlohmann::json::parse(line);
    named.insert(entry.at("file_name"));
    const Image image = picture(entry.at("file_name"));
    EXPECT_EQ(image.width, 32);
    EXPECT_EQ(image.height, 32);
    EXPECT_EQ(image.channels, 4);
    if (entry.at("file_name") == "flags/flag-france.png") {
      EXPECT_EQ(entry.at("text"), "flag: France");
      EXPECT_EQ(entry.at("emoji"), "🇫🇷");
      EXPECT_EQ(entry.at("group"), "Flags");
      EXPECT_EQ(entry.at("subgroup"), "country-flag");
    }
  }
  EXPECT_EQ(named.size(), 9u);
  EXPECT_TRUE(named.contains("symbols/keycap-hash.png") && named.contains("symbols/keycap-asterisk.png"));
  EXPECT_NE(read_file(options.out / "LICENSE.txt", 1 << 20).find("SIL Open Font License"), std::string::npos);
  EXPECT_EQ(contents(options.out).size(), 12u);
  EXPECT_EQ(siblings(), 2u);
}

TEST_F(EmojiSet, ColoursAndDirectionsAreRight) {
  make_emoji(options, console);
  const Image red = picture("symbols/red-square.png"), blue = picture("symbols/blue-square.png");
  EXPECT_GT(red.at(16, 16, 0), red.at(16, 16, 2) + 100);
  EXPECT_GT(blue.at(16, 16, 2), blue.at(16, 16, 0) + 100);
  EXPECT_EQ(red.at(16, 16, 3), 255);
  const Image flag = picture("flags/flag-france.png");
  EXPECT_GT(flag.at(6, 16, 2), flag.at(6, 16, 0) + 60);     // blue at the hoist
  EXPECT_GT(flag.at(26, 16, 0), flag.at(26, 16, 2) + 100);  // red at the fly
  EXPECT_GT(flag.at(16, 16, 1), 200);
  EXPECT_EQ(flag.at(16, 1, 3), 0);  // a flag is wider than high
  EXPECT_EQ(picture("smileys-emotion/grinning-face.png").at(0, 0, 3), 0);
}

TEST_F(EmojiSet, BackgroundMakesItOpaque) {
  options.background = "#102030";
  make_emoji(options, console);
  const Image face = picture("smileys-emotion/grinning-face.png");
  EXPECT_EQ(face.channels, 3);
  EXPECT_EQ(face.at(0, 0, 0), 0x10);
  EXPECT_EQ(face.at(0, 0, 2), 0x30);
}

TEST_F(EmojiSet, GroupsAndSkinTonesOnlyWhenAsked) {
  options.groups = {"people"};
  options.skin_tones = true;
  EXPECT_EQ(make_emoji(options, console).written, 2);
  EXPECT_TRUE(fs::exists(options.out / "people-body/waving-hand-light-skin-tone.png"));
  EXPECT_FALSE(fs::exists(options.out / "flags"));
}

TEST_F(EmojiSet, SameBytesWhateverTheThreads) {
  options.threads = 1;
  make_emoji(options, console);
  const auto one = contents(options.out);
  options.threads = 5;
  options.force = true;
  make_emoji(options, console);
  EXPECT_EQ(contents(options.out), one);
}

TEST_F(EmojiSet, NothingOfTheUserIsReplaced) {
  fs::create_directories(options.out);
  make_emoji(options, console);  // an empty folder is no obstacle
  EXPECT_NE(error_of().find("--force"), std::string::npos);
  options.force = true;
  make_emoji(options, console);
  write_file(options.out / "symbols" / "mine.png", "mine");
  EXPECT_NE(error_of().find("1 files more"), std::string::npos);
  EXPECT_EQ(read_file(options.out / "symbols" / "mine.png", 100), "mine");

  options.out = base / "photos";
  write_file(options.out / "a.jpg", "picture");
  EXPECT_NE(error_of().find("not made by"), std::string::npos);
  EXPECT_EQ(read_file(options.out / "a.jpg", 100), "picture");
  options.out = base / "names.txt";
  EXPECT_NE(error_of().find("not a folder"), std::string::npos);
  EXPECT_EQ(siblings(), 3u);
}

TEST_F(EmojiSet, UnusableFontsAreNamed) {
  options.font = base / "absent.ttf";
  error_of();
  write_file(base / "junk.ttf", "this is no font");
  options.font = base / "junk.ttf";
  EXPECT_NE(error_of().find("junk.ttf"), std::string::npos);
  const auto plain = find_fonts(system_font_folders(), {".ttf"});
  for (const fs::path& path : plain) {
    if (path.filename() == "DejaVuSans.ttf") {
      options.font = path;
      EXPECT_NE(error_of().find("CBDT"), std::string::npos);
    }
  }
  const std::string whole = read_file(emoji_font(), size_t{1} << 28);
  for (const size_t length : {size_t{100}, size_t{5000}, whole.size() / 2, whole.size() - 60'000}) {
    write_file(base / "cut.ttf", whole.substr(0, length));
    options.font = base / "cut.ttf";
    options.force = true;
    try {  // some cuts leave pictures to be drawn; none may crash
      make_emoji(options, console);
    } catch (const Error&) {
      EXPECT_FALSE(fs::exists(options.out));
    }
    fs::remove_all(options.out);
  }
}

TEST_F(EmojiSet, OptionsOutOfRangeAreUsageErrors) {
  const auto refused = [&](auto change) {
    EmojiOptions changed = options;
    change(changed);
    EXPECT_THROW(make_emoji(changed, console), UsageError);
  };
  refused([](EmojiOptions& o) { o.size = 7; });
  refused([](EmojiOptions& o) { o.size = 513; });
  refused([](EmojiOptions& o) { o.background = "blue-ish"; });
  refused([](EmojiOptions& o) { o.groups = {"cars"}; });
  refused([](EmojiOptions& o) { o.out.clear(); });
  EXPECT_FALSE(fs::exists(options.out));
}

}  // namespace
}  // namespace langevin
