#include <algorithm>
#include <fstream>
#include <optional>
#include <utility>

#include "langevin/core/check.h"
#include "langevin/data/source.h"
#include "langevin/io/idx.h"

namespace langevin {
namespace {

namespace fs = std::filesystem;

std::string without_gz(const std::string& name) {
  return name.ends_with(".gz") ? name.substr(0, name.size() - 3) : name;
}

/// "train-images-idx3-ubyte", also with a dot before idx3, also gzipped, also without "-ubyte".
bool names_images(const std::string& file) {
  const std::string name = without_gz(file);
  return name.find("images") != std::string::npos &&
         (name.find("idx3") != std::string::npos || name.find("idx4") != std::string::npos);
}

bool names_test(const std::string& name) {
  return name.find("t10k") != std::string::npos || name.find("test") != std::string::npos;
}

/// The labels that belong to a file of pictures, plain or gzipped.
std::optional<fs::path> labels_beside(const fs::path& images) {
  std::string name = without_gz(images.filename().string());
  const size_t at = name.find("images");
  if (at == std::string::npos) return std::nullopt;
  name.replace(at, 6, "labels");
  for (const char* idx : {"idx3", "idx4"}) {
    if (const size_t rank = name.find(idx); rank != std::string::npos) name.replace(rank, 4, "idx1");
  }
  for (const char* end : {"", ".gz"}) {
    if (fs::path file = images.parent_path() / (name + end); fs::is_regular_file(file)) return file;
  }
  return std::nullopt;
}

Table read_part(const fs::path& images, const DataOptions& options, Console& console) {
  auto array = std::make_shared<IdxArray>(read_idx(images, static_cast<uint64_t>(options.memory) << 20));
  Table table = table_of_shape(array->shape, images.filename().string());
  table.kind = "idx";
  if (const auto path = labels_beside(images)) {
    const IdxArray labels = read_idx(*path);
    if (labels.shape != Shape{table.count}) {
      fail("{}: labels have shape {}, but {} holds {} pictures", path->string(), to_string(labels.shape),
           images.filename().string(), table.count);
    }
    table.labels.assign(labels.data.begin(), labels.data.end());
  } else {
    console.info(fmt::format("{}: no labels beside it; the pictures have no class", images.string()));
  }
  table.pixels = array->data;
  table.owner = std::move(array);
  return table;
}

std::shared_ptr<Source> read_parts(const std::vector<fs::path>& files, const DataOptions& options,
                                   Console& console) {
  std::vector<Table> parts;
  std::vector<int64_t> every_label;
  for (const fs::path& file : files) {
    parts.push_back(read_part(file, options, console));
    every_label.insert(every_label.end(), parts.back().labels.begin(), parts.back().labels.end());
  }
  for (Table& part : parts) {
    if (!part.labels.empty()) part.classes = numbered_classes(every_label, part.name);
  }
  return table_source(std::move(parts));
}

}  // namespace

std::shared_ptr<Source> idx_source(const fs::path& path, const DataOptions& options, Console& console) {
  if (!fs::is_directory(path)) {
    const bool test = names_test(path.filename().string());
    choose_parts(options.split, {!test, test}, path.string());
    return read_parts({path}, options, console);
  }
  std::vector<fs::path> train, test;
  for (const auto& entry : fs::directory_iterator(path)) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_regular_file() || !names_images(name)) continue;
    if (name.ends_with(".gz") && fs::exists(path / without_gz(name))) continue;  // the same, unpacked
    (names_test(name) ? test : train).push_back(entry.path());
  }
  if (train.empty() && test.empty()) return nullptr;
  std::sort(train.begin(), train.end());
  std::sort(test.begin(), test.end());
  const Parts parts = choose_parts(options.split, {!train.empty(), !test.empty()}, path.string());
  std::vector<fs::path> files;
  if (parts.train) files = train;
  if (parts.test) files.insert(files.end(), test.begin(), test.end());
  return read_parts(files, options, console);
}

}  // namespace langevin
