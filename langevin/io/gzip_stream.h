// A plain or gzipped file, read front to back.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace langevin {

/// Tells gzip from plain by content; checks gzip's CRC when the end is read.
class GzipStream {
 public:
  /// Error when absent, unreadable or not a regular file.
  explicit GzipStream(const std::filesystem::path& path);
  bool compressed() const;
  /// Fills `bytes`; returns less only at the end. Error when the compressed data are cut short or damaged.
  size_t read(std::span<std::byte> bytes);

 private:
  struct Closer {
    void operator()(gzFile file) const { gzclose(file); }
  };
  std::filesystem::path path_;
  std::unique_ptr<gzFile_s, Closer> file_;
};

}  // namespace langevin
