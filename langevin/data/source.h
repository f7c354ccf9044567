// Sources: data sets as they lie, before open_dataset() brings their pictures to one size. Used by open.cpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "langevin/core/array.h"
#include "langevin/core/console.h"
#include "langevin/data/dataset.h"
#include "langevin/data/file_tree.h"
#include "langevin/data/open.h"

namespace langevin {

/// label, caption, name and the two below never decode.
class Source : public Dataset {
 public:
  virtual std::string kind() const = 0;
  /// Bytes example i takes as stored.
  virtual int64_t stored_bytes(int64_t i) const = 0;
  /// Extents and channels from the header alone; Error as get().
  virtual ImageInfo probe(int64_t i) const = 0;
};

/// Pictures of one size in one piece of memory.
struct Table {
  std::shared_ptr<const void> owner;  // keeps `pixels` alive
  std::span<const uint8_t> pixels;    // N x (HWC, or CHW if planar)
  int64_t count = 0;
  int height = 0, width = 0, channels = 0;
  bool planar = false;
  std::vector<int64_t> labels;       // N, or empty
  std::vector<std::string> classes;  // empty if there are no labels
  std::string kind, name;            // example i is called "name[i]"
};
/// Error unless pixels, labels and classes agree with each other.
std::shared_ptr<Source> table_source(std::vector<Table> parts);
/// Reads (N, H, W), (N, H, W, C) or (N, C, H, W) off a shape, C being 1, 3 or 4; Error naming `name`.
Table table_of_shape(const Shape& shape, const std::string& name);
/// Class names "0", "1", ... up to the largest label; Error on a negative or absurd one.
std::vector<std::string> numbered_classes(const std::vector<int64_t>& labels, const std::string& name);

/// What of a tree image_source() and cifar_source() want.
bool wanted_in_tree(const std::string& path);
/// PNG, JPEG and WebP files of a tree, by their extension; null if there are none.
std::shared_ptr<Source> image_source(std::shared_ptr<const FileTree> tree, const DataOptions& options,
                                     const std::string& where, Console& console);
/// CIFAR's binary files of a tree; null if there are none.
std::shared_ptr<Source> cifar_source(const FileTree& tree, const DataOptions& options,
                                     const std::string& where);
/// IDX files: one file of pictures, or a folder; null if there are none.
std::shared_ptr<Source> idx_source(const std::filesystem::path& path, const DataOptions& options,
                                   Console& console);
std::shared_ptr<Source> npy_source(const std::filesystem::path& path, const DataOptions& options,
                                   Console& console);
std::shared_ptr<Source> npz_source(const std::filesystem::path& path, const DataOptions& options,
                                   Console& console);

/// Which of the parts train and test of a set are wanted: given what there is. UsageError if the part asked
/// for is not there.
struct Parts {
  bool train = false, test = false;
};
Parts choose_parts(const std::string& split, Parts present, const std::string& where);

/// Scans the source, checks it and brings its pictures to one size: the second half of open_dataset().
std::shared_ptr<PreparedSet> prepare(std::shared_ptr<const Source> source, const DataOptions& options,
                                     const std::string& path, Console& console);

}  // namespace langevin
