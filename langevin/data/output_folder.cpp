#include "langevin/data/output_folder.h"

#include <cerrno>
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

}  // namespace

OutputFolder::OutputFolder(const fs::path& target, std::string kind, bool force)
    : kind_(std::move(kind)),
      folder_(target, force ? AtomicFolder::MayReplace(
                                  [this](const fs::path& there) { check_replaceable(there, kind_); })
                            : AtomicFolder::MayReplace()) {}

void OutputFolder::write(const fs::path& relative, std::span<const std::byte> bytes) const {
  const fs::path path = folder_.path() / relative;
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
  about["files"] = count_files(path()) + 1;
  write_file(path() / about_name, about.dump(2) + "\n");

  folder_.commit();
}

}  // namespace langevin
