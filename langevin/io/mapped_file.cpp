#include "langevin/io/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "langevin/core/check.h"

namespace langevin {

MappedFile::MappedFile(const std::filesystem::path& path) {
  const int fd =
      ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe without writer must not hang
  struct stat info {};
  int error = fd < 0 || ::fstat(fd, &info) != 0 ? errno : 0;
  const bool regular = error == 0 && S_ISREG(info.st_mode);
  if (regular && static_cast<uint64_t>(info.st_size) > SIZE_MAX) error = EFBIG;
  if (regular && error == 0 && info.st_size > 0) {
    void* address = ::mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
    if (address == MAP_FAILED) {
      error = errno;
    } else {
      data_ = static_cast<const std::byte*>(address);
      size_ = static_cast<size_t>(info.st_size);
    }
  }
  if (fd >= 0) ::close(fd);
  if (error != 0) {
    fail("cannot read {}: {}; check the path and its permissions", path.string(), std::strerror(error));
  }
  if (!regular) fail("cannot read {}: not a regular file; give a file", path.string());
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace langevin
