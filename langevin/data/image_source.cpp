// Picture files in a tree: classes from subfolders, captions from metadata.jsonl.
#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>

#include "langevin/core/check.h"
#include "langevin/data/source.h"

namespace langevin {
namespace {

constexpr size_t kMaxFile = size_t{256} << 20;
constexpr std::string_view kMetadata = "metadata.jsonl";

/// What a file's header says; Error where its name says another format: what else is wrong with it nobody
/// knows.
ImageInfo probe_as_named(std::span<const std::byte> bytes, const std::string& path) {
  const ImageInfo info = probe_image(bytes, path);
  const std::string extension = extension_of(path);
  const ImageFormat named = extension == ".png"    ? ImageFormat::png
                            : extension == ".webp" ? ImageFormat::webp
                                                   : ImageFormat::jpeg;
  if (named != info.format) {
    fail("{}: is {} by its contents; give it the right extension", path, to_string(info.format));
  }
  return info;
}

struct Entry {
  size_t file = 0;  // of the tree
  size_t skip = 0;  // characters of the path that all entries share, or that name the part
  int64_t label = -1;
  std::string caption;
};

class ImageSource final : public Source {
 public:
  ImageSource(std::shared_ptr<const FileTree> tree, std::vector<Entry> entries,
              std::vector<std::string> classes, int64_t max_pixels)
      : tree_(std::move(tree)), entries_(std::move(entries)), classes_(std::move(classes)) {
    limits_.max_pixels = max_pixels;
    limits_.max_bytes = std::max(kMaxFile, static_cast<size_t>(max_pixels) * 4);
  }
  int64_t size() const override { return static_cast<int64_t>(entries_.size()); }
  std::vector<std::string> class_names() const override { return classes_; }
  std::string kind() const override { return tree_->kind(); }
  int64_t stored_bytes(int64_t i) const override { return tree_->files()[at(i).file].size; }
  int64_t label(int64_t i) const override { return at(i).label; }
  std::string caption(int64_t i) const override { return at(i).caption; }
  std::string name(int64_t i) const override { return tree_->files()[at(i).file].path; }
  ImageInfo probe(int64_t i) const override {
    const ImageInfo info = probe_as_named(tree_->read(at(i).file, limits_.max_bytes), name(i));
    if (int64_t{info.width} * info.height > limits_.max_pixels) {
      fail("{}: {}x{} pixels, more than the {} allowed", name(i), info.width, info.height,
           limits_.max_pixels);
    }
    return info;
  }
  Example get(int64_t i) const override {
    const Entry& entry = at(i);
    const std::string path = name(i);
    const auto bytes = tree_->read(entry.file, limits_.max_bytes);
    probe_as_named(bytes, path);
    return {decode_image(bytes, path, limits_), entry.label, entry.caption, path};
  }

 private:
  const Entry& at(int64_t i) const {
    check(i >= 0 && i < size(), "Dataset::get", "example {} of {}", i, size());
    return entries_[static_cast<size_t>(i)];
  }
  std::shared_ptr<const FileTree> tree_;
  std::vector<Entry> entries_;
  std::vector<std::string> classes_;
  ImageLimits limits_;
};

std::string_view rest(const FileTree& tree, const Entry& entry) {
  return std::string_view(tree.files()[entry.file].path).substr(entry.skip);
}

/// The first folder of what is left of the path, or "" for a file outside of folders.
std::string_view first_folder(std::string_view path) {
  const size_t slash = path.find('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

/// Drops the folders that all paths begin with, such as the one an archive wraps everything in; returns them.
std::vector<std::string> strip_shared(const FileTree& tree, std::vector<Entry>& entries) {
  std::vector<std::string> stripped;
  while (!entries.empty()) {
    const std::string folder(first_folder(rest(tree, entries[0])));
    const bool shared = !folder.empty() && std::all_of(entries.begin(), entries.end(), [&](const Entry& e) {
      return first_folder(rest(tree, e)) == folder;
    });
    if (!shared) break;
    for (Entry& e : entries) e.skip += folder.size() + 1;
    stripped.push_back(folder);
  }
  return stripped;
}

enum class Part { none, train, test };

Part part_of(std::string_view folder) {
  static constexpr std::array<std::string_view, 2> kTrain{"train", "training"};
  static constexpr std::array<std::string_view, 5> kTest{"test", "testing", "val", "valid", "validation"};
  if (std::find(kTrain.begin(), kTrain.end(), folder) != kTrain.end()) return Part::train;
  if (std::find(kTest.begin(), kTest.end(), folder) != kTest.end()) return Part::test;
  return Part::none;
}

/// Leaves the entries of the part that is asked for, where the set comes as folders train/, test/, ...
void select_parts(const FileTree& tree, std::vector<Entry>& entries, const std::string& split,
                  const std::string& where) {
  const auto stripped = strip_shared(tree, entries);
  Parts present;
  bool all_parts = true;
  for (const Entry& e : entries) {
    const Part part = part_of(first_folder(rest(tree, e)));
    present.train |= part == Part::train;
    present.test |= part == Part::test;
    all_parts &= part != Part::none;
  }
  if (all_parts) {
    const Parts wanted = choose_parts(split, present, where);
    std::erase_if(entries, [&](const Entry& e) {
      return part_of(first_folder(rest(tree, e))) == Part::train ? !wanted.train : !wanted.test;
    });
    for (Entry& e : entries) e.skip += first_folder(rest(tree, e)).size() + 1;
    strip_shared(tree, entries);
    return;
  }
  Parts whole;
  for (const std::string& folder : stripped) {
    whole.train |= part_of(folder) == Part::train;
    whole.test |= part_of(folder) == Part::test;
  }
  if (!whole.train && !whole.test) whole.train = true;  // an undivided set is for training
  choose_parts(split, whole, where);
}

/// Labels by first folder, if every picture lies in one.
std::vector<std::string> assign_classes(const FileTree& tree, std::vector<Entry>& entries,
                                        const std::string& where, Console& console) {
  std::vector<std::string> classes;
  std::string loose;
  for (const Entry& e : entries) {
    const std::string_view folder = first_folder(rest(tree, e));
    if (!folder.empty()) classes.emplace_back(folder);
    if (folder.empty() && loose.empty()) loose = tree.files()[e.file].path;
  }
  if (!loose.empty()) {
    if (!classes.empty()) {
      console.warn(
          fmt::format("{}: {} lies in none of the folders, so they are not taken for classes; move "
                      "such pictures into a folder to have classes",
                      where, loose));
    }
    return {};
  }
  std::sort(classes.begin(), classes.end(), [](auto& a, auto& b) { return natural_less(a, b); });
  classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
  std::map<std::string_view, int64_t> label;
  for (const std::string& name : classes) label.emplace(name, static_cast<int64_t>(label.size()));
  for (Entry& e : entries) e.label = label.at(first_folder(rest(tree, e)));
  return classes;
}

using Captions = std::unordered_map<std::string, std::string>;  // by path in the tree

/// Lines {"file_name": ..., "text": ...}; file_name counts from the folder of the metadata file.
void read_metadata(const FileTree& tree, size_t file, const std::string& where, Captions& captions) {
  const std::string& path = tree.files()[file].path;
  const std::string folder = path.substr(0, path.size() - base_name(path).size());
  const auto bytes = tree.read(file, kMaxFile);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  int64_t line_number = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    ++line_number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const auto json = nlohmann::json::parse(line.begin(), line.end(), nullptr, false);
    if (!json.is_object() || !json.contains("file_name") || !json["file_name"].is_string()) {
      fail("{}/{}:{}: not a JSON object with a text \"file_name\"; mend or remove the line", where, path,
           line_number);
    }
    for (const char* key : {"text", "caption"}) {
      if (!json.contains(key) || !json[key].is_string()) continue;
      captions[folder + json["file_name"].get<std::string>()] = json[key].get<std::string>();
      break;
    }
  }
}

void assign_captions(const FileTree& tree, std::vector<Entry>& entries, const std::string& where,
                     Console& console) {
  Captions captions;
  for (size_t i = 0; i < tree.files().size(); ++i) {
    if (base_name(tree.files()[i].path) == kMetadata) read_metadata(tree, i, where, captions);
  }
  if (captions.empty()) return;
  size_t used = 0;
  for (Entry& e : entries) {
    const auto it = captions.find(tree.files()[e.file].path);
    if (it == captions.end()) continue;
    e.caption = it->second;
    ++used;
  }
  if (used == 0) console.warn(fmt::format("{}: metadata.jsonl names none of the pictures", where));
}

}  // namespace

bool wanted_in_tree(const std::string& path) {
  static const std::set<std::string_view> kNames{kMetadata,        "batches.meta.txt", "fine_label_names.txt",
                                                 "test_batch.bin", "train.bin",        "test.bin"};
  const std::string_view name = base_name(path);
  return is_picture(path) || kNames.contains(name) ||
         (name.starts_with("data_batch_") && name.ends_with(".bin"));
}

std::shared_ptr<Source> image_source(std::shared_ptr<const FileTree> tree, const DataOptions& options,
                                     const std::string& where, Console& console) {
  std::vector<Entry> entries;
  for (size_t i = 0; i < tree->files().size(); ++i) {
    if (is_picture(tree->files()[i].path)) entries.push_back({i, 0, -1, ""});
  }
  if (entries.empty()) return nullptr;
  select_parts(*tree, entries, options.split, where);
  std::vector<std::string> classes = assign_classes(*tree, entries, where, console);
  assign_captions(*tree, entries, where, console);
  return std::make_shared<ImageSource>(std::move(tree), std::move(entries), std::move(classes),
                                       options.max_pixels);
}

}  // namespace langevin
