#include "langevin/data/file_tree.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>
#include <utility>

#include "langevin/core/atomic_file.h"
#include "langevin/core/check.h"
#include "langevin/io/archive.h"

namespace langevin {
namespace {

namespace fs = std::filesystem;

bool hidden(std::string_view path) {
  if (path.starts_with(".") || path.find("/.") != std::string_view::npos) return true;
  return path.starts_with("__MACOSX/") || path.find("/__MACOSX/") != std::string_view::npos;
}

class Folder final : public FileTree {
 public:
  Folder(fs::path root, const Wanted& wanted) : root_(std::move(root)) {
    kind_ = "folder";
    std::error_code error;
    fs::recursive_directory_iterator it(root_, error), end;
    for (; !error && it != end; it.increment(error)) add(*it, wanted);
    if (error) fail("{}: cannot be listed: {}", root_.string(), error.message());
    std::sort(files_.begin(), files_.end(), [](auto& a, auto& b) { return natural_less(a.path, b.path); });
  }
  std::vector<std::byte> read(size_t i, size_t max_bytes) const override {
    return read_bytes(root_ / files_.at(i).path, max_bytes);
  }

 private:
  void add(const fs::directory_entry& entry, const Wanted& wanted) {
    std::error_code error;
    if (!entry.is_regular_file(error)) return;
    std::string name = entry.path().lexically_relative(root_).generic_string();
    if (hidden(name)) return;
    if (!wanted(name)) {
      ++left_out_[extension_of(name)];
      return;
    }
    const auto size = entry.file_size(error);
    files_.push_back({std::move(name), error ? 0 : static_cast<int64_t>(size)});
  }
  fs::path root_;
};

/// Sorts by name and keeps the last of equal names; `extra` travels along.
template <class T>
void settle(std::vector<std::pair<TreeFile, T>>& all) {
  std::stable_sort(all.begin(), all.end(),
                   [](auto& a, auto& b) { return natural_less(a.first.path, b.first.path); });
  size_t kept = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    if (i + 1 < all.size() && all[i].first.path == all[i + 1].first.path) continue;
    if (kept != i) all[kept] = std::move(all[i]);
    ++kept;
  }
  all.resize(kept);
}

class Tar final : public FileTree {
 public:
  Tar(const fs::path& path, const Wanted& wanted) : path_(path) {
    kind_ = "tar";
    std::vector<std::pair<TreeFile, int64_t>> all;
    for (auto& entry : index_tar(path)) {
      if (hidden(entry.path)) continue;
      if (wanted(entry.path)) {
        all.emplace_back(TreeFile{entry.path, entry.size}, entry.offset);
      } else {
        ++left_out_[extension_of(entry.path)];
      }
    }
    settle(all);
    for (auto& [file, offset] : all) {
      files_.push_back(std::move(file));
      offsets_.push_back(offset);
    }
    fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd_ < 0) fail("{}: cannot be opened: {}", path.string(), std::strerror(errno));
  }
  ~Tar() override { ::close(fd_); }
  std::vector<std::byte> read(size_t i, size_t max_bytes) const override {
    const TreeFile& file = files_.at(i);
    if (offsets_[i] < 0)
      fail("{}: a sparse entry of the tar, which cannot be read in place; repack the archive", file.path);
    if (file.size < 0 || static_cast<uint64_t>(file.size) > max_bytes) {
      fail("{}: {} bytes, more than the {} allowed", file.path, file.size, max_bytes);
    }
    std::vector<std::byte> bytes(static_cast<size_t>(file.size));
    for (size_t done = 0; done < bytes.size();) {
      const ssize_t got = ::pread(fd_, bytes.data() + done, bytes.size() - done,
                                  static_cast<off_t>(offsets_[i] + static_cast<int64_t>(done)));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) fail("{}: {} is cut short or changed while it was read", file.path, path_.string());
      done += static_cast<size_t>(got);
    }
    return bytes;
  }

 private:
  fs::path path_;
  std::vector<int64_t> offsets_;
  int fd_ = -1;
};

constexpr int64_t kPicture = int64_t{256} << 20;  // larger ones inside an archive are not unpacked

class Unpacked final : public FileTree {
 public:
  Unpacked(const fs::path& path, std::string kind, const Wanted& wanted, uint64_t max_memory) {
    kind_ = std::move(kind);
    std::vector<std::pair<TreeFile, std::vector<std::byte>>> all;
    uint64_t total = 0;
    auto too_large = [&] {
      fail(
          "{}: its files take more than {} MiB in memory; raise data.memory, or unpack it, or repack it as a "
          "plain .tar "
          "(read in place)",
          path.string(), max_memory >> 20);
    };
    ArchiveOptions options;
    options.wanted = [&](const ArchiveEntry& entry) {
      if (hidden(entry.path)) return false;
      if (!wanted(entry.path)) {
        ++left_out_[extension_of(entry.path)];
        return false;
      }
      if (entry.size > kPicture && is_picture(entry.path)) {  // a bomb: known by its name alone
        all.emplace_back(TreeFile{entry.path, entry.size}, std::vector<std::byte>());
        return false;
      }
      if (entry.size > 0 && total + static_cast<uint64_t>(entry.size) > max_memory) too_large();
      return true;
    };
    read_archive(path, options, [&](const ArchiveEntry& entry, std::vector<std::byte>&& bytes) {
      total += bytes.size();
      if (total > max_memory) too_large();
      const auto size = static_cast<int64_t>(bytes.size());
      all.emplace_back(TreeFile{entry.path, size}, std::move(bytes));
    });
    settle(all);
    for (auto& [file, bytes] : all) {
      files_.push_back(std::move(file));
      contents_.push_back(std::move(bytes));
    }
  }
  std::vector<std::byte> read(size_t i, size_t max_bytes) const override {
    const auto& bytes = contents_.at(i);
    const auto size = static_cast<uint64_t>(files_[i].size);
    if (size > std::min<uint64_t>(max_bytes, bytes.size()))
      fail("{}: {} bytes, more than the {} allowed", files_[i].path, size,
           std::min<uint64_t>(max_bytes, kPicture));
    return bytes;
  }

 private:
  std::vector<std::vector<std::byte>> contents_;
};

/// "tar", "tar.gz", "zip", or "" by the first bytes.
std::string archive_kind(const fs::path& path) {
  std::array<char, 512> head{};
  std::ifstream file(path, std::ios::binary);
  file.read(head.data(), head.size());
  const auto got = static_cast<size_t>(file.gcount());
  const std::string_view text(head.data(), got);
  if (text.starts_with("\x1f\x8b")) return "tar.gz";
  if (text.starts_with("PK\x03\x04") || text.starts_with("PK\x05\x06")) return "zip";
  if (got == 512 && text.substr(257, 5) == "ustar") return "tar";
  return extension_of(path.string()) == ".tar" ? "tar" : "";  // tars older than "ustar"
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The run of digits at `at`, without leading zeros; `at` moves behind it.
std::string_view digits_at(std::string_view text, size_t& at) {
  size_t start = at;
  while (at < text.size() && is_digit(text[at])) ++at;
  while (start + 1 < at && text[start] == '0') ++start;
  return text.substr(start, at - start);
}

}  // namespace

std::shared_ptr<FileTree> open_folder(const fs::path& path, const Wanted& wanted) {
  return std::make_shared<Folder>(path, wanted);
}

std::shared_ptr<FileTree> open_archive(const fs::path& path, const Wanted& wanted, uint64_t max_memory) {
  const std::string kind = archive_kind(path);
  if (kind == "tar") return std::make_shared<Tar>(path, wanted);
  return std::make_shared<Unpacked>(path, kind, wanted, max_memory);
}

bool looks_like_archive(const fs::path& path) { return !archive_kind(path).empty(); }

bool natural_less(std::string_view a, std::string_view b) {
  size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (is_digit(a[i]) && is_digit(b[j])) {
      const auto x = digits_at(a, i), y = digits_at(b, j);
      if (x.size() != y.size()) return x.size() < y.size();
      if (x != y) return x < y;
      continue;
    }
    if (a[i] != b[j]) {
      if (a[i] == '/' || b[j] == '/') return a[i] == '/';
      return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[j]);
    }
    ++i;
    ++j;
  }
  if (i == a.size() && j == b.size()) return a < b;  // differ in leading zeros at most
  return i == a.size();
}

bool is_picture(std::string_view path) {
  const std::string extension = extension_of(path);
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg" || extension == ".webp";
}

std::string extension_of(std::string_view path) {
  const std::string_view name = base_name(path);
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return "";
  std::string out(name.substr(dot));
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

std::string_view base_name(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace langevin
