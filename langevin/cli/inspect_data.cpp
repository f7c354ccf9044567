#include "langevin/cli/inspect_data.h"

#include <algorithm>
#include <memory>

#include "langevin/cli/sheet.h"
#include "langevin/core/names.h"
#include "langevin/data/open.h"

namespace langevin::cli {
namespace {

constexpr int64_t kSheet = 100;
constexpr int64_t kCommonSize = 64;  // pixels, where the pictures differ in size

/// As the pictures are; where their sizes differ, which only training must not have, cut to a common one.
std::shared_ptr<PreparedSet> open_any(const std::string& path, Console& console) {
  DataOptions options;
  options.split = "all";
  try {
    return open_dataset(path, options, console);
  } catch (const UsageError&) {
    throw;
  } catch (const Error&) {
    // What was wrong with single pictures has been said, and what is wrong with all will be thrown again.
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> nowhere(std::fopen("/dev/null", "w"), std::fclose);
    if (!nowhere) throw;
    Console silent(Console::Level::quiet, nowhere.get());
    options.size = kCommonSize;
    return open_dataset(path, options, silent);
  }
}

/// A bar for each class, the longest one 40 characters.
std::string histogram(const DatasetSummary& summary) {
  constexpr size_t kShown = 50;
  if (summary.classes.empty()) return "no classes\n";
  int64_t most = 1;
  size_t width = 0;
  for (const auto& [name, count] : summary.classes) {
    most = std::max(most, count);
    width = std::max(width, one_line(name).size());
  }
  std::string text = "\n";
  for (size_t i = 0; i < std::min(kShown, summary.classes.size()); ++i) {
    const auto& [name, count] = summary.classes[i];
    text += fmt::format("{:>4} {:<{}} {:>8} {}\n", i, one_line(name), width, count,
                        std::string(static_cast<size_t>(40 * count / most), '#'));
  }
  return text + (summary.classes.size() > kShown
                     ? fmt::format("... {} more\n", summary.classes.size() - kShown)
                     : "");
}

void write_examples(const PreparedSet& set, const std::string& path) {
  check_sheet(path, set.spec().channels);
  std::vector<Image> images;
  const int64_t shown = std::min(kSheet, set.size());
  for (int64_t i = 0; i < shown; ++i) images.push_back(set.get(i * set.size() / shown).image);
  write_sheet(path, images);
}

}  // namespace

void inspect_data(const std::string& path, const std::string& grid, const CommonOptions& common,
                  Console& console) {
  const auto set = open_any(path, console);
  const DatasetSummary& summary = set->summary();
  if (!grid.empty()) write_examples(*set, grid);
  if (common.json) {
    nlohmann::json json = to_json(summary);
    json["data"] = std::exchange(json["kind"], "data");
    if (summary.mixed_sizes) json["height"] = json["width"] = nullptr;
    if (!grid.empty()) json["grid"] = grid;
    return print_json(json);
  }
  std::string text = to_string(summary);
  if (summary.mixed_sizes) {
    text += fmt::format(
        "(shown here at {0} x {0}; training needs a size: a preset that has one, or --set data.size=N)\n",
        kCommonSize);
  }
  print(text + histogram(summary));
}

}  // namespace langevin::cli
