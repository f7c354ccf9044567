// Files that are whole or absent: temporary file beside the target, write, fsync, rename, fsync of the
// folder.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace langevin {

/// Writes a file atomically. Until commit() the target is untouched; without commit() the temporary file is
/// removed.
class AtomicFile {
 public:
  /// Creates the parent folders and the temporary file; Error if that fails.
  explicit AtomicFile(std::filesystem::path target);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);  // Error on a full disk, naming path and reason
  void write(std::string_view text);
  /// Makes the file durable and visible under its name (fsync, rename, fsync of the folder).
  void commit();

 private:
  std::filesystem::path target_, temporary_;
  int fd_ = -1;
};

void write_file(const std::filesystem::path& path, std::string_view text);
void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);

/// Error unless a file can be made at `path` (or replaced there): asks before long work whose result goes
/// there. Leaves nothing behind.
void check_writable(const std::filesystem::path& path);

/// Makes a folder with its parents, where they are absent; Error naming it and the reason.
void make_folders(const std::filesystem::path& folder);

/// Whole file; Error if absent, unreadable or larger than `max_bytes` (checked before allocation).
std::string read_file(const std::filesystem::path& path, size_t max_bytes);
std::vector<std::byte> read_bytes(const std::filesystem::path& path, size_t max_bytes);

/// Removes temporary files that a killed process left in `folder` (names of AtomicFile's pattern only, and
/// never one that a living process still writes: writers hold a lock).
void remove_stale_temporaries(const std::filesystem::path& folder);

}  // namespace langevin
