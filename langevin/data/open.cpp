#include "langevin/data/open.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <string_view>
#include <system_error>
#include <utility>

#include "langevin/core/check.h"
#include "langevin/core/config.h"
#include "langevin/data/resize.h"
#include "langevin/data/source.h"

namespace langevin {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kAccepted =
    "PNG, JPEG or WebP pictures (also in .tar, .tar.gz, .zip), IDX, CIFAR binary, .npy or .npz";

uint64_t memory_limit(const DataOptions& options) { return static_cast<uint64_t>(options.memory) << 20; }

void check_options(const DataOptions& o) {
  auto within = [](const char* key, int64_t value, int64_t lo, int64_t hi) {
    if (value < lo || value > hi) fail_usage("data.{} must be {}..{}, got {}", key, lo, hi, value);
  };
  within("size", o.size, 0, 16384);
  within("width", o.width, 0, 16384);
  within("memory", o.memory, 0, int64_t{1} << 30);
  within("threads", o.threads, 0, 256);
  within("max_pixels", o.max_pixels, 1, int64_t{1} << 32);
  if (o.width > 0 && o.size == 0) fail_usage("data.width needs data.size, which is then the height");
  if (o.channels != 0 && o.channels != 1 && o.channels != 3 && o.channels != 4) {
    fail_usage("data.channels must be 0 (by the pictures), 1, 3 or 4, got {}", o.channels);
  }
  const std::vector<std::string> fits{"crop", "random-crop", "stretch", "none"};
  if (std::find(fits.begin(), fits.end(), o.fit) == fits.end())
    fail_usage("{}", unknown_name("data.fit", o.fit, fits));
  const std::vector<std::string> splits{"auto", "train", "test", "all"};
  if (std::find(splits.begin(), splits.end(), o.split) == splits.end()) {
    fail_usage("{}", unknown_name("data.split", o.split, splits));
  }
  if (!(o.zoom >= 1 && o.zoom <= 16)) fail_usage("data.zoom must be 1..16, got {}", o.zoom);
  const bool cuts = o.size > 0 && (o.fit == "crop" || o.fit == "random-crop");
  if (o.zoom != 1 && !cuts) fail_usage("data.zoom needs data.size and data.fit=crop or random-crop");
  if (o.fit == "random-crop" && o.size == 0) fail_usage("data.fit=random-crop needs data.size");
  parse_colour(o.background);
}

/// What a tree lacks, and what it has instead.
[[noreturn]] void fail_nothing_usable(const FileTree& tree, const std::string& where) {
  std::vector<std::pair<int64_t, std::string>> kinds;
  for (const auto& [extension, count] : tree.left_out()) {
    kinds.emplace_back(-count, extension.empty() ? "without extension" : extension);
  }
  if (kinds.empty()) fail("{} is empty; it should hold {}", where, kAccepted);
  std::sort(kinds.begin(), kinds.end());
  std::string found;
  for (size_t i = 0; i < std::min<size_t>(3, kinds.size()); ++i) {
    found += fmt::format("{}{} {}", i == 0 ? "" : ", ", -kinds[i].first, kinds[i].second);
  }
  fail("{} holds nothing to train on (found {}); it should hold {}", where, found, kAccepted);
}

std::shared_ptr<Source> open_tree(std::shared_ptr<const FileTree> tree, const DataOptions& options,
                                  const std::string& where, Console& console) {
  if (auto source = cifar_source(*tree, options, where)) return source;
  return image_source(std::move(tree), options, where, console);
}

bool starts_with_idx(const fs::path& path) {
  std::array<char, 4> head{};
  std::ifstream file(path, std::ios::binary);
  file.read(head.data(), head.size());
  return file.gcount() == 4 && head[0] == 0 && head[1] == 0 && head[2] >= 8 && head[2] <= 14 &&
         head[3] >= 3 && head[3] <= 4;
}

/// Null if the file is of no kind that is read.
std::shared_ptr<Source> open_file(const fs::path& path, const DataOptions& options, Console& console) {
  const std::string name = path.filename().string(), extension = extension_of(name);
  if (extension == ".npy") return npy_source(path, options, console);
  if (extension == ".npz") return npz_source(path, options, console);
  if (starts_with_idx(path) || (extension == ".gz" && name.find("idx") != std::string::npos)) {
    return idx_source(path, options, console);
  }
  if (looks_like_archive(path)) {
    auto tree = open_archive(path, wanted_in_tree, memory_limit(options));
    auto source = open_tree(tree, options, path.string(), console);
    if (!source) fail_nothing_usable(*tree, path.string());
    return source;
  }
  if (extension == ".bin") {
    const auto tree =
        open_folder(path.parent_path().empty() ? "." : path.parent_path(),
                    [&](const std::string& other) { return other == name || other.ends_with(".txt"); });
    return cifar_source(*tree, options, path.string());
  }
  return nullptr;
}

/// The only file of a folder that could itself be a data set, if there is just one.
fs::path sole_set(const fs::path& folder) {
  fs::path found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const std::string extension = extension_of(entry.path().filename().string());
    const bool set = extension == ".npy" || extension == ".npz" || extension == ".tar" ||
                     extension == ".tgz" || extension == ".zip" ||
                     entry.path().filename().string().ends_with(".tar.gz");
    if (!set) continue;
    if (!found.empty()) {
      fail("{} holds several sets ({}, {}); name the one to use", folder.string(),
           std::min(found, entry.path()).filename().string(),
           std::max(found, entry.path()).filename().string());
    }
    found = entry.path();
  }
  return found;
}

std::shared_ptr<Source> open_directory(const fs::path& path, const DataOptions& options, Console& console) {
  if (auto source = idx_source(path, options, console)) return source;
  const auto tree = open_folder(path, wanted_in_tree);
  if (auto source = open_tree(tree, options, path.string(), console)) return source;
  if (const fs::path set = sole_set(path); !set.empty()) return open_file(set, options, console);
  fail_nothing_usable(*tree, path.string());
}

}  // namespace

void register_data_options(Schema& schema, DataOptions& o) {
  schema.field("data.size", o.size, "height and width of the pictures in pixels; 0: as they are", {0, 16384})
      .field("data.width", o.width, "width in pixels, if data.size is the height only; 0: square", {0, 16384})
      .field("data.fit", o.fit, "how pictures come to that size", {"crop", "random-crop", "stretch", "none"})
      .field("data.zoom", o.zoom, "crop, random-crop: enlargement before the cut, as a factor", {1, 16})
      .field("data.channels", o.channels, "1 gray, 3 RGB, 4 RGBA; 0: by the pictures, gray or RGB", {0, 4})
      .field("data.background", o.background, "colour behind transparent pixels, #rrggbb")
      .field("data.flip", o.flip, "mirror left-right at random")
      .field("data.split", o.split, "part of the set; auto: train if there is one, else all",
             {"auto", "train", "test", "all"})
      .field("data.strict", o.strict, "a bad picture is an error instead of being skipped")
      .field("data.verify", o.verify,
             "decode every picture once at the start; false: headers only, for sets beyond memory")
      .field("data.memory", o.memory, "MiB that decoded pictures or a packed archive may take",
             {0, double(int64_t{1} << 30)})
      .field("data.threads", o.threads, "threads that decode; 0: one a core", {0, 256})
      .field("data.max_pixels", o.max_pixels, "pixels a picture may have, checked before decoding",
             {1, double(int64_t{1} << 32)});
}

std::shared_ptr<PreparedSet> open_dataset(const fs::path& path, const DataOptions& options,
                                          Console& console) {
  check_options(options);
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) {
    fail("{}: no such file or folder; data should be {}", path.string(), kAccepted);
  }
  std::shared_ptr<Source> source;
  if (fs::is_directory(status)) {
    source = open_directory(path, options, console);
  } else if (fs::is_regular_file(status)) {
    source = open_file(path, options, console);
  }
  if (!source)
    fail("{} is no data set; it should be a folder, an archive or a file of {}", path.string(), kAccepted);
  return prepare(std::move(source), options, path.string(), console);
}

}  // namespace langevin
