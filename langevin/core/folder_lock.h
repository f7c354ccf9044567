// One process at a time in a folder.
#pragma once

#include <filesystem>

namespace langevin {

/// Holds a folder while it lives; the kernel lets go when the process ends, however it ends. Error if another
/// process holds it. Where a file system knows no locks, none is held.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int fd_ = -1;
};

}  // namespace langevin
