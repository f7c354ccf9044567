#include "langevin/core/atomic_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "langevin/core/check.h"

namespace langevin {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMark = ".partial-";  // target + ".partial-<process>-<number>"

[[noreturn]] void fail_write(const fs::path& path, int error) {
  std::string_view advice = "check the path and its permissions";
  if (error == ENOSPC || error == EDQUOT) advice = "free some space and run again";
  if (error == EFBIG) advice = "raise the file size limit (ulimit -f) and run again";
  if (error == EIO) advice = "check the disk";
  fail("cannot write {}: {}; {}", path.string(), std::strerror(error), advice);
}

int close_retrying(int fd) {
  // After EINTR the descriptor is already gone on Linux, and closing it again could hit another thread's
  // file.
  return ::close(fd) == 0 || errno == EINTR ? 0 : -1;
}

void write_all(int fd, std::span<const std::byte> bytes, const fs::path& path) {
  constexpr size_t kLargest = size_t{1} << 30;  // write() takes at most about 2 GiB at once
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(fd, bytes.data(), std::min(bytes.size(), kLargest));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) fail_write(path, errno);
    if (wrote == 0) fail_write(path, ENOSPC);
    bytes = bytes.subspan(static_cast<size_t>(wrote));
  }
}

// Makes a rename durable. Some file systems cannot sync a folder and say EINVAL: nothing more can be done
// there.
void sync_folder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) fail_write(folder, errno);
  const int error = ::fsync(fd) == 0 || errno == EINVAL || errno == EROFS ? 0 : errno;
  close_retrying(fd);
  if (error != 0) fail_write(folder, error);
}

fs::path folder_of(const fs::path& file) {
  return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

bool is_temporary_name(const std::string& name) {
  const size_t at = name.rfind(kMark);
  if (at == std::string::npos || at == 0) return false;
  const std::string tail = name.substr(at + kMark.size());
  const size_t dash = tail.find('-');
  return dash != std::string::npos && dash != 0 && dash + 1 != tail.size() &&
         tail.find('-', dash + 1) == std::string::npos &&
         tail.find_first_not_of("0123456789-") == std::string::npos;
}

// A living writer holds a lock on its temporary file, which the system drops however the process ends. (A
// process number would not tell: it is taken again, most of all in containers, and means nothing on another
// machine.)
bool is_abandoned(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return false;
  struct stat info {};
  const bool abandoned =
      ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && ::flock(fd, LOCK_EX | LOCK_NB) == 0;
  close_retrying(fd);
  return abandoned;
}

template <class Bytes>
Bytes read_whole(const fs::path& path, size_t max_bytes) {
  const auto reject = [&](int error) {
    fail("cannot read {}: {}; check the path and its permissions", path.string(), std::strerror(error));
  };
  const int fd =
      ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe without writer must not hang us
  if (fd < 0) reject(errno);
  struct Closer {
    int fd;
    ~Closer() { close_retrying(fd); }
  } closer{fd};
  struct stat info {};
  if (::fstat(fd, &info) != 0) reject(errno);
  if (S_ISDIR(info.st_mode)) reject(EISDIR);
  if (!S_ISREG(info.st_mode)) fail("cannot read {}: not a regular file; give a file", path.string());
  const auto size = static_cast<uintmax_t>(info.st_size);
  if (size > max_bytes) {
    fail("cannot read {}: it has {} bytes, at most {} are expected; check that it is the right file",
         path.string(), size, max_bytes);
  }
  Bytes bytes(static_cast<size_t>(size), typename Bytes::value_type{});
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = ::read(fd, bytes.data() + done, std::min(bytes.size() - done, size_t{1} << 30));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) reject(errno);
    if (got == 0) break;  // it shrank while we read
    done += static_cast<size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

}  // namespace

void make_folders(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail_write(folder, error.value());
}

void check_writable(const fs::path& path) { const AtomicFile probe(path); }

AtomicFile::AtomicFile(fs::path target) : target_(std::move(target)) {
  if (!target_.has_filename()) fail("cannot write '{}': not a file name; give a file", target_.string());
  make_folders(folder_of(target_));
  std::error_code error;
  if (fs::is_directory(target_, error)) fail_write(target_, EISDIR);
  for (unsigned number = 0; fd_ < 0; ++number) {
    temporary_ = target_;
    temporary_ += fmt::format("{}{}-{}", kMark, ::getpid(), number);
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ < 0 && errno != EEXIST && errno != EINTR) {
      temporary_.clear();
      fail_write(target_, errno);
    }
  }
  ::flock(fd_, LOCK_EX | LOCK_NB);  // where locks are missing the file is merely never taken for abandoned
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) close_retrying(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  check(fd_ >= 0, "AtomicFile::write", "{} is already committed", target_.string());
  write_all(fd_, bytes, target_);
}

void AtomicFile::write(std::string_view text) { write(std::as_bytes(std::span(text))); }

void AtomicFile::commit() {
  check(fd_ >= 0, "AtomicFile::commit", "{} is already committed", target_.string());
  if (::fsync(fd_) != 0 && errno != EINVAL) fail_write(target_, errno);
  const int fd = fd_;
  fd_ = -1;
  if (close_retrying(fd) != 0) fail_write(target_, errno);  // NFS reports a full disk only here
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail_write(target_, errno);
  temporary_.clear();
  sync_folder(folder_of(target_));
}

void write_file(const fs::path& path, std::string_view text) {
  write_file(path, std::as_bytes(std::span(text)));
}

void write_file(const fs::path& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

std::string read_file(const fs::path& path, size_t max_bytes) {
  return read_whole<std::string>(path, max_bytes);
}

std::vector<std::byte> read_bytes(const fs::path& path, size_t max_bytes) {
  return read_whole<std::vector<std::byte>>(path, max_bytes);
}

void remove_stale_temporaries(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (is_temporary_name(it->path().filename().string()) && is_abandoned(it->path())) {
      ::unlink(it->path().c_str());
    }
  }
}

}  // namespace langevin
