#include "langevin/data/output_folder.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <system_error>

#include "langevin/core/atomic_file.h"
#include "langevin/core/check.h"

namespace langevin {
namespace {

namespace fs = std::filesystem;
constexpr const char* about_name = "dataset.json";
constexpr size_t about_limit = 1 << 20;

int64_t count_files(const fs::path& folder) {
  int64_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) files += !entry.is_directory();
  return files;
}

// Throws unless `target` is a set that `kind` made and nobody added to.
void check_replaceable(const fs::path& target, const std::string& kind) {
  nlohmann::json about;
  if (fs::is_regular_file(target / about_name)) {
    about = nlohmann::json::parse(read_file(target / about_name, about_limit), nullptr, false);
  }
  const bool ours = about.is_object() && about.contains("made_by") && about["made_by"] == kind &&
                    about.contains("files") && about["files"].is_number_integer();
  if (!ours) {
    fail("{}: exists and was not made by `{}`; choose another --out or move it away", target.string(), kind);
  }
  const int64_t expected = about["files"], found = count_files(target);
  if (found > expected) {
    fail("{}: holds {} files more than `{}` made; move yours away before it is replaced", target.string(),
         found - expected, kind);
  }
}

void check_target(const fs::path& target, const std::string& kind, bool force) {
  if (!fs::exists(fs::symlink_status(target))) return;
  if (!fs::is_directory(target)) {
    fail("{}: exists and is not a folder; choose another --out", target.string());
  }
  if (fs::is_empty(target)) return;
  if (!force)
    fail("{}: exists and is not empty; choose another --out, or --force to replace it", target.string());
  check_replaceable(target, kind);
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

OutputFolder::OutputFolder(const fs::path& target, std::string kind, bool force) : kind_(std::move(kind)) {
  if (target.empty()) fail_usage("{}: --out is needed", kind_);
  std::error_code error;
  target_ = fs::weakly_canonical(fs::absolute(target), error);  // of an absent single name only so
  if (error) fail("{}: {}", target.string(), error.message());
  if (!target_.has_filename()) target_ = target_.parent_path();
  if (!target_.has_filename()) fail_usage("{}: --out must name a folder to make", target.string());
  try {
    check_target(target_, kind_, force);
  } catch (const fs::filesystem_error& reason) {
    fail("{}: cannot be looked through: {}", target_.string(), reason.code().message());
  }
  make_folders(target_.parent_path());
  remove_stale(target_);
  temporary_ = make_temporary(target_);
}

OutputFolder::~OutputFolder() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

void OutputFolder::write(const fs::path& relative, std::span<const std::byte> bytes) const {
  const fs::path path = temporary_ / relative;
  std::FILE* file = std::fopen(path.c_str(), "wb");
  bool good = file != nullptr && std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  int reason = errno;
  if (file != nullptr && std::fclose(file) != 0 && good) {
    good = false;
    reason = errno;
  }
  if (!good) fail("{}: cannot be written: {}", path.string(), std::generic_category().message(reason));
}

void OutputFolder::write(const fs::path& relative, std::string_view text) const {
  write(relative, std::as_bytes(std::span(text.data(), text.size())));
}

void OutputFolder::commit(nlohmann::json about) {
  about["made_by"] = kind_;
  about["files"] = count_files(temporary_) + 1;
  write_file(temporary_ / about_name, about.dump(2) + "\n");

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
