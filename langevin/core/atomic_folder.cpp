#include "langevin/core/atomic_folder.h"

#include <unistd.h>

#include <chrono>
#include <string>
#include <system_error>

#include "langevin/core/atomic_file.h"
#include "langevin/core/check.h"

namespace langevin {
namespace {

namespace fs = std::filesystem;

void check_target(const fs::path& target, const AtomicFolder::MayReplace& may_replace) {
  if (!fs::exists(fs::symlink_status(target))) return;
  if (!fs::is_directory(target)) {
    fail("{}: exists and is not a folder; choose another --out", target.string());
  }
  if (fs::is_empty(target)) return;
  if (!may_replace)
    fail("{}: exists and is not empty; choose another --out, or --force to replace it", target.string());
  may_replace(target);
}

std::string temporary_prefix(const fs::path& target) {
  return fmt::format(".{}.making-", target.filename().string());
}

// A day is far beyond any run of ours: what is older was left by a killed process.
void remove_stale(const fs::path& target) {
  std::error_code ignored;
  const std::string prefix = temporary_prefix(target);
  const auto limit = fs::file_time_type::clock::now() - std::chrono::hours(24);
  for (const auto& entry : fs::directory_iterator(target.parent_path(), ignored)) {
    if (!entry.path().filename().string().starts_with(prefix) || entry.is_symlink(ignored)) continue;
    const auto time = fs::last_write_time(entry.path(), ignored);
    if (!ignored && time < limit) fs::remove_all(entry.path(), ignored);
  }
}

fs::path make_temporary(const fs::path& target) {
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const fs::path path =
        target.parent_path() / fmt::format("{}{}-{}", temporary_prefix(target), ::getpid(), attempt);
    std::error_code error;
    if (fs::create_directory(path, error)) return path;
    if (error) fail("{}: cannot create the folder: {}", path.string(), error.message());
  }
  fail("{}: cannot find a free name beside it; remove the {}* folders there", target.string(),
       temporary_prefix(target));
}

}  // namespace

AtomicFolder::AtomicFolder(const fs::path& target, const MayReplace& may_replace) {
  if (target.empty()) fail_usage("--out is needed");
  std::error_code error;
  target_ = fs::weakly_canonical(fs::absolute(target), error);  // of an absent single name only so
  if (error) fail("{}: {}", target.string(), error.message());
  if (!target_.has_filename()) target_ = target_.parent_path();
  if (!target_.has_filename()) fail_usage("{}: --out must name a folder to make", target.string());
  try {
    check_target(target_, may_replace);
  } catch (const fs::filesystem_error& reason) {
    fail("{}: cannot be looked through: {}", target_.string(), reason.code().message());
  }
  make_folders(target_.parent_path());
  remove_stale(target_);
  temporary_ = make_temporary(target_);
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

void AtomicFolder::commit() {
  fs::path old;
  std::error_code error;
  if (fs::is_directory(target_) && !fs::is_empty(target_)) {
    old = make_temporary(target_);  // an empty folder, which rename may replace
    fs::rename(target_, old, error);
    if (error) fail("{}: cannot be moved away: {}", target_.string(), error.message());
  }
  fs::rename(temporary_, target_, error);
  if (error) {
    std::error_code ignored;
    if (!old.empty()) fs::rename(old, target_, ignored);
    fail("{}: cannot be put in place: {}", target_.string(), error.message());
  }
  temporary_.clear();
  if (!old.empty()) fs::remove_all(old, error);
}

}  // namespace langevin
