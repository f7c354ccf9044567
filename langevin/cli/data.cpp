// langevin data: makes or fetches data sets.
#include <algorithm>

#include "langevin/cli/command.h"
#include "langevin/core/names.h"
#include "langevin/core/signals.h"
#include "langevin/data/digits.h"
#include "langevin/data/emoji.h"
#include "langevin/data/get.h"

namespace langevin::cli {
namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  langevin data emoji --out data/emoji\n"
    "  langevin data emoji --out data/faces --groups smileys --size 32 --background '#ffffff'\n"
    "  langevin data digits --out data/digits --count 10000\n"
    "  langevin data get mnist --out data/mnist\n"
    "langevin data emoji --help (and so on) explains each; all take --json and --quiet.";

struct DataOptionsAll {
  EmojiOptions emoji;
  DigitsOptions digits;
  GetOptions get;
  CommonOptions common;
};

CLI::App* declare_emoji(CLI::App& app, EmojiOptions& o, CommonOptions& common) {
  CLI::App* sub = app.add_subcommand("emoji", "captioned, grouped emoji from the system's colour font");
  sub->add_option("--out", o.out, "folder to make")->required();
  sub->add_option("--size", o.size, "side in pixels, 8 to 512 (default 64)");
  sub->add_option("--groups", o.groups, "Unicode groups, by name or unique prefix (default: all)")
      ->delimiter(',');
  sub->add_flag("--skin-tones", o.skin_tones, "also the variants with skin tones");
  sub->add_option("--background", o.background, "none (RGBA) or #rrggbb (default none)");
  sub->add_option("--font", o.font, "colour bitmap font (default: the system's NotoColorEmoji.ttf)");
  sub->add_option("--names", o.names, "emoji-test.txt (default: the one of unicode-data)");
  sub->add_flag("--force", o.force, "replace a set made earlier");
  sub->add_option("--threads", o.threads, "threads; 0: one a core")->check(CLI::Range(0, 4096));
  add_common(*sub, common);
  return sub;
}

CLI::App* declare_digits(CLI::App& app, DigitsOptions& o, CommonOptions& common) {
  CLI::App* sub = app.add_subcommand("digits", "digits from the system's scalable fonts, with labels");
  sub->add_option("--out", o.out, "folder to make")->required();
  sub->add_option("--count", o.count, "pictures (default 10000)");
  sub->add_option("--size", o.size, "side in pixels, 8 to 256 (default 28)");
  sub->add_option("--seed", o.seed, "seed of fonts and distortions (default 0)")->check(seed_range());
  sub->add_option("--format", o.format, "folder (of PNG) or idx (default folder)");
  sub->add_option("--fonts", o.fonts, "font files or folders (default: the system's)");
  sub->add_flag("--force", o.force, "replace a set made earlier");
  sub->add_option("--threads", o.threads, "threads; 0: one a core")->check(CLI::Range(0, 4096));
  add_common(*sub, common);
  return sub;
}

std::string set_names() {
  std::string names;
  for (const RemoteSet& set : remote_sets()) names += (names.empty() ? "" : ", ") + set.name;
  return names;
}

CLI::App* declare_get(CLI::App& app, GetOptions& o, CommonOptions& common) {
  CLI::App* sub = app.add_subcommand("get", "download " + set_names());
  sub->add_option("name", o.name, set_names())->required();
  sub->add_option("--out", o.out, "folder; made if absent")->required();
  sub->add_option("--mirror", o.mirrors, "base URL instead of the set's own (repeatable)");
  add_common(*sub, common);
  return sub;
}

void run_emoji(const EmojiOptions& o, const CommonOptions& common, Console& console) {
  const EmojiSummary made = make_emoji(o, console);
  auto groups = nlohmann::json::object();
  for (const auto& [name, count] : made.per_group) groups[name] = count;
  if (common.json) {
    return print_json({{"out", o.out.string()},
                       {"written", made.written},
                       {"skipped", made.skipped},
                       {"groups", groups},
                       {"font", made.font.string()},
                       {"names", made.names.string()}});
  }
  console.info(
      fmt::format("{}: {} pictures in {} groups", o.out.string(), made.written, made.per_group.size()));
}

void run_digits(const DigitsOptions& o, const CommonOptions& common, Console& console) {
  const DigitsSummary made = make_digits(o, console);
  if (common.json) {
    return print_json({{"out", o.out.string()},
                       {"written", made.written},
                       {"per_digit", made.per_digit},
                       {"fonts", made.fonts}});
  }
  console.info(fmt::format("{}: {} digits from {} fonts", o.out.string(), made.written, made.fonts.size()));
}

void run_get(const GetOptions& o, const CommonOptions& common, Console& console) {
  const GetSummary got = get_dataset(o, console);
  std::vector<std::string> files;
  for (const auto& file : got.files) files.push_back(file.string());
  if (common.json) {
    return print_json({{"out", o.out.string()},
                       {"files", files},
                       {"downloaded_bytes", got.downloaded},
                       {"resumed_bytes", got.resumed},
                       {"kept_files", got.kept}});
  }
  console.info(fmt::format("{}: {} files complete and checked ({} downloaded)", o.out.string(), files.size(),
                           format_bytes(static_cast<double>(got.downloaded))));
}

}  // namespace

void data_verb(const Arguments& arguments) {
  DataOptionsAll o;
  CLI::App app("Make or fetch a data set.", "langevin data");
  const CLI::App* emoji = declare_emoji(app, o.emoji, o.common);
  const CLI::App* digits = declare_digits(app, o.digits, o.common);
  declare_get(app, o.get, o.common);
  app.footer(kExamples);
  const std::vector<std::string> known{"emoji", "digits", "get"};
  const bool only_flags = std::all_of(arguments.begin(), arguments.end(),
                                      [](const std::string& a) { return a == "--json" || a == "--quiet"; });
  if (only_flags) fail_usage("needs what to make: emoji, digits or get; see --help");
  if (arguments[0].rfind('-', 0) != 0 && std::find(known.begin(), known.end(), arguments[0]) == known.end()) {
    fail_usage("{}", unknown_name("data set", arguments[0], known));
  }
  if (!parse(app, arguments)) return;
  Console console(o.common.level());
  if (digits->parsed() || emoji->parsed()) {
    const StopSignal stop;
    o.emoji.stopped = o.digits.stopped = [&] { return stop.requested(); };
    return emoji->parsed() ? run_emoji(o.emoji, o.common, console) : run_digits(o.digits, o.common, console);
  }
  run_get(o.get, o.common, console);
}

}  // namespace langevin::cli
