#include "langevin/io/gzip_stream.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "langevin/core/check.h"

namespace langevin {

GzipStream::GzipStream(const std::filesystem::path& path) : path_(path) {
  std::error_code error;
  const bool regular = std::filesystem::is_regular_file(path, error);
  if (error) fail("cannot read {}: {}; check the path and its permissions", path.string(), error.message());
  if (!regular) fail("cannot read {}: not a regular file; give a file", path.string());
  file_.reset(gzopen(path.c_str(), "rb"));
  if (!file_) {
    fail("cannot read {}: {}; check the path and its permissions", path.string(), std::strerror(errno));
  }
  gzbuffer(file_.get(), 1u << 17);
}

bool GzipStream::compressed() const { return gzdirect(file_.get()) == 0; }

size_t GzipStream::read(std::span<std::byte> bytes) {
  constexpr size_t kLargest = size_t{1} << 20;
  size_t done = 0;
  while (done < bytes.size()) {
    const auto ask = static_cast<unsigned>(std::min(bytes.size() - done, kLargest));
    const int got = gzread(file_.get(), bytes.data() + done, ask);
    int error = Z_OK;
    gzerror(file_.get(), &error);  // Z_BUF_ERROR: the compressed data stop in the middle
    if (got < 0 || error != Z_OK) {
      fail("{}: the compressed data are cut short or damaged; take another copy", path_.string());
    }
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

}  // namespace langevin
