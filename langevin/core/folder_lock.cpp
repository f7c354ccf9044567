#include "langevin/core/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "langevin/core/check.h"

namespace langevin {

FolderLock::FolderLock(const std::filesystem::path& folder)
    : fd_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  check(fd_ >= 0, folder.string(), "cannot be opened: {}", std::strerror(errno));
  if (::flock(fd_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(fd_);
  fail("{}: another process is at work in this folder; wait for it, or give another folder", folder.string());
}

FolderLock::~FolderLock() { ::close(fd_); }

}  // namespace langevin
