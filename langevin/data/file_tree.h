// Files by name, wherever they lie: in a folder, in a tar on disk, in an archive held in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace langevin {

struct TreeFile {
  std::string path;  // relative, components joined by '/'
  int64_t size = 0;  // bytes
};

class FileTree {
 public:
  virtual ~FileTree() = default;
  /// In natural order of the paths; hidden files and what nobody wants are left out.
  const std::vector<TreeFile>& files() const { return files_; }
  /// Whole content of files()[i], from any thread. Error naming the file: unreadable, larger than
  /// `max_bytes`.
  virtual std::vector<std::byte> read(size_t i, size_t max_bytes) const = 0;
  const std::string& kind() const { return kind_; }  // "folder", "tar", "tar.gz", "zip"
  /// Extensions of the files left out and how many of each: for "found only ...".
  const std::map<std::string, int64_t>& left_out() const { return left_out_; }

 protected:
  std::vector<TreeFile> files_;
  std::string kind_;
  std::map<std::string, int64_t> left_out_;
};

/// Which files are of use; asked with the relative path.
using Wanted = std::function<bool(const std::string& path)>;

/// All regular files under a folder; symbolic links to files are followed, links to folders are not.
std::shared_ptr<FileTree> open_folder(const std::filesystem::path& path, const Wanted& wanted);
/// A tar is indexed and read in place; .tar.gz and .zip are read once and the wanted files kept, encoded, in
/// memory: Error if they take more than `max_memory` bytes. A name that stands twice means its last content,
/// as in tar.
std::shared_ptr<FileTree> open_archive(const std::filesystem::path& path, const Wanted& wanted,
                                       uint64_t max_memory);
/// True if the file starts like a tar, a gzip or a zip.
bool looks_like_archive(const std::filesystem::path& path);

/// Runs of digits compare as numbers: a2 before a10; "/" before all else, so folders stay together.
bool natural_less(std::string_view a, std::string_view b);
/// By its name: PNG, JPEG or WebP.
bool is_picture(std::string_view path);
/// "a.PNG" -> ".png"; "" where there is none.
std::string extension_of(std::string_view path);
/// What is behind the last '/'.
std::string_view base_name(std::string_view path);

}  // namespace langevin
