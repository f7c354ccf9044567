// A file's bytes in the address space, read on first touch.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace langevin {

/// Read-only private mapping of a regular file; move-only. The file must not shrink while mapped (replace it
/// by rename, as AtomicFile does: the mapping then keeps the old one).
class MappedFile {
 public:
  MappedFile() = default;
  /// Error when the file is absent, unreadable or not a regular file.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace langevin
