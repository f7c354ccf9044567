// Folders that are whole or absent: written beside their place and moved there at the end.
#pragma once

#include <filesystem>
#include <functional>

namespace langevin {

class AtomicFolder {
 public:
  /// Throws where what `target` holds must stay.
  using MayReplace = std::function<void(const std::filesystem::path& target)>;

  /// Makes the parent folders and the folder to write into. Error if `target` exists and is not an empty
  /// folder, unless `may_replace` is given and returns.
  explicit AtomicFolder(const std::filesystem::path& target, const MayReplace& may_replace = {});
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  /// Where to write until commit().
  const std::filesystem::path& path() const { return temporary_; }
  /// Puts the folder in its place. A reader or a killed process never sees half of it.
  void commit();

 private:
  std::filesystem::path target_, temporary_;
};

}  // namespace langevin
