#include <algorithm>
#include <sstream>
#include <utility>

#include "langevin/core/check.h"
#include "langevin/data/source.h"
#include "langevin/io/cifar.h"

namespace langevin {
namespace {

constexpr size_t kMaxFile = size_t{1} << 30;

struct Batches {
  std::vector<size_t> train, test;  // indices of the tree's files
  CifarKind kind = CifarKind::cifar10;
  std::string names_file;  // base name of the file of class names
};

Batches find_batches(const FileTree& tree) {
  Batches ten, hundred;
  ten.names_file = "batches.meta.txt";
  hundred.kind = CifarKind::cifar100;
  hundred.names_file = "fine_label_names.txt";
  for (size_t i = 0; i < tree.files().size(); ++i) {
    const std::string_view name = base_name(tree.files()[i].path);
    if (name.starts_with("data_batch_") && name.ends_with(".bin")) ten.train.push_back(i);
    if (name == "test_batch.bin") ten.test.push_back(i);
    if (name == "train.bin") hundred.train.push_back(i);
    if (name == "test.bin") hundred.test.push_back(i);
  }
  return ten.train.empty() && ten.test.empty() ? hundred : ten;
}

/// One name a line; numbers where the file is absent or has not one name for each class.
std::vector<std::string> class_names(const FileTree& tree, const std::string& file, size_t classes) {
  std::vector<std::string> names;
  for (size_t i = 0; i < tree.files().size(); ++i) {
    if (base_name(tree.files()[i].path) != file) continue;
    const auto bytes = tree.read(i, size_t{1} << 20);
    std::istringstream text(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    for (std::string line; std::getline(text, line);) {
      while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
      if (!line.empty()) names.push_back(line);
    }
    break;
  }
  if (names.size() == classes) return names;
  names.clear();
  for (size_t i = 0; i < classes; ++i) names.push_back(std::to_string(i));
  return names;
}

}  // namespace

std::shared_ptr<Source> cifar_source(const FileTree& tree, const DataOptions& options,
                                     const std::string& where) {
  const Batches batches = find_batches(tree);
  if (batches.train.empty() && batches.test.empty()) return nullptr;
  const Parts wanted = choose_parts(options.split, {!batches.train.empty(), !batches.test.empty()}, where);
  std::vector<size_t> files;
  if (wanted.train) files = batches.train;
  if (wanted.test) files.insert(files.end(), batches.test.begin(), batches.test.end());
  const auto classes = class_names(tree, batches.names_file, batches.kind == CifarKind::cifar10 ? 10 : 100);
  std::vector<Table> parts;
  for (size_t i : files) {
    const std::string& path = tree.files()[i].path;
    auto batch = std::make_shared<CifarBatch>(
        parse_cifar(tree.read(i, kMaxFile), batches.kind, fmt::format("{}/{}", where, path)));
    Table table = table_of_shape(batch->shape, std::string(base_name(path)));
    table.kind = batches.kind == CifarKind::cifar10 ? "cifar10" : "cifar100";
    table.labels.assign(batch->labels.begin(), batch->labels.end());
    table.classes = classes;
    table.pixels = batch->images;
    table.owner = std::move(batch);
    parts.push_back(std::move(table));
  }
  return table_source(std::move(parts));
}

}  // namespace langevin
