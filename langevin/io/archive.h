// .tar, .tar.gz and .zip, read in sequence without unpacking to disk. The kind is told by content, not by
// name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace langevin {

struct ArchiveEntry {
  /// Components joined by '/', UTF-8 where the archive is. Only a name: leading '/', "." and ".." are dropped
  /// and control characters replaced by '_'.
  std::string path;
  int64_t size = -1;    // bytes; -1 when the archive does not say before the data
  int64_t offset = -1;  // of the data inside an uncompressed tar (index_tar), else -1
};

struct ArchiveOptions {
  uint64_t max_entry_bytes = uint64_t{1} << 30;  // of one entry, uncompressed
  uint64_t max_total_bytes = uint64_t{1} << 40;  // of all entries, skipped ones included
  uint64_t max_entries = 100'000'000;
  /// Entries for which this returns false are passed over without being read. Empty: all are read.
  std::function<bool(const ArchiveEntry&)> wanted;
};

using ArchiveCallback = std::function<void(const ArchiveEntry&, std::vector<std::byte>&& bytes)>;

/// Calls `callback` for every regular file, in the archive's order. Error naming the archive and the entry:
/// damaged, cut short, encrypted, or beyond a limit of `options` (checked before memory is taken).
void read_archive(const std::filesystem::path& path, const ArchiveOptions& options,
                  const ArchiveCallback& callback);

/// The regular files of an archive without their content.
std::vector<ArchiveEntry> list_archive(const std::filesystem::path& path, const ArchiveOptions& options = {});

/// The regular files of an uncompressed tar with the offsets of their data, for pread. Offset -1 where the
/// data do not lie in one piece (sparse entries): read those in sequence. Error for other kinds of file.
std::vector<ArchiveEntry> index_tar(const std::filesystem::path& path, const ArchiveOptions& options = {});

}  // namespace langevin
