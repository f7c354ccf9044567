// A folder that is whole or absent: what the makers of data sets write into.
#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "langevin/core/atomic_folder.h"

namespace langevin {

/// A data set under construction: written beside its place, moved there by commit(), gone without it.
/// The set's `dataset.json` says what made it; only such a set may be replaced.
class OutputFolder {
 public:
  /// `kind` is what dataset.json's "made_by" will say ("langevin data emoji"). Error if `target` exists and
  /// is neither an empty folder nor, with `force`, a set of that kind to which nothing was added.
  OutputFolder(const std::filesystem::path& target, std::string kind, bool force);

  /// Where to write until commit().
  const std::filesystem::path& path() const { return folder_.path(); }
  /// Writes one file below path(), whose folder must exist, without waiting for the disk: the folder as a
  /// whole is what appears or not. Error names file and reason. May be called from several threads.
  void write(const std::filesystem::path& relative, std::span<const std::byte> bytes) const;
  void write(const std::filesystem::path& relative, std::string_view text) const;
  /// Adds dataset.json (`about` plus "made_by" and "files") and puts the folder in its place. A reader or a
  /// killed process never sees half a set; the pictures themselves are not forced to disk one by one.
  void commit(nlohmann::json about);

 private:
  std::string kind_;
  AtomicFolder folder_;
};

}  // namespace langevin
