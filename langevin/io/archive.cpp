#include "langevin/io/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>
#include <memory>
#include <span>
#include <string_view>

#include "langevin/core/check.h"
#include "langevin/io/gzip_stream.h"
#include "langevin/io/mapped_file.h"
#include "langevin/io/quote.h"

namespace langevin {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBlock = 512;  // of a tar

// libarchive converts names to the thread's locale and gives up where that is not UTF-8.
class Utf8Locale {
 public:
  Utf8Locale() : locale_(newlocale(LC_CTYPE_MASK, "C.UTF-8", locale_t{})) {
    if (locale_ != locale_t{}) previous_ = uselocale(locale_);
  }
  ~Utf8Locale() {
    if (locale_ == locale_t{}) return;
    uselocale(previous_);
    freelocale(locale_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  locale_t locale_, previous_{};
};

// Length of the UTF-8 character at the front of `text`, 0 if it is none.
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const size_t length = byte(0) < 0x80 ? 1 : byte(0) < 0xc2 ? 0 : byte(0) < 0xe0 ? 2 : byte(0) < 0xf0 ? 3 : 4;
  if (length == 0 || length > text.size() || byte(0) > 0xf4) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const bool overlong = (byte(0) == 0xe0 && byte(1) < 0xa0) || (byte(0) == 0xf0 && byte(1) < 0x90);
  const bool outside = (byte(0) == 0xed && byte(1) > 0x9f) || (byte(0) == 0xf4 && byte(1) > 0x8f);
  return overlong || outside ? 0 : length;
}

std::string clean_component(std::string_view text) {
  std::string clean;
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    const auto first = static_cast<unsigned char>(text.front());
    if (length == 0 || first < 0x20 || first == 0x7f) {
      clean += '_';
    } else {
      clean += text.substr(0, length);
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return clean;
}

std::string clean_path(std::string_view raw) {
  std::string path;
  while (!raw.empty()) {
    const size_t end = std::min(raw.find('/'), raw.size());
    const std::string_view part = raw.substr(0, end);
    raw.remove_prefix(std::min(end + 1, raw.size()));
    if (part.empty() || part == "." || part == "..") continue;
    if (!path.empty()) path += '/';
    path += clean_component(part);
  }
  return path.empty() ? "_" : path;
}

// libarchive over one file. Gzip is undone by zlib, not by libarchive, whose gzip filter ignores the CRC.
class Reader {
 public:
  explicit Reader(const fs::path& path, const ArchiveOptions& options)
      : name_(path.string()), options_(options), gzip_(path), archive_(archive_read_new()) {
    if (!archive_) fail("{}: no memory for reading it", name_);
    file_bytes_ = fs::file_size(path);
    archive_read_support_format_tar(archive_.get());
    int status = ARCHIVE_OK;
    if (gzip_.compressed()) {
      piece_.resize(size_t{1} << 17);
      status = archive_read_open(archive_.get(), this, nullptr, &Reader::next_piece, nullptr);
    } else {
      archive_read_support_format_zip_seekable(archive_.get());
      status = archive_read_open_filename(archive_.get(), path.c_str(), size_t{1} << 17);
    }
    if (status != ARCHIVE_OK) {
      rethrow();
      fail("{}: it is no tar, tar.gz or zip, or it is cut short; check the file", name_);
    }
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // The next regular file, false at the end. What lies between is skipped and counted.
  bool next() {
    for (;;) {
      const int status = archive_read_next_header(archive_.get(), &entry_);
      if (status == ARCHIVE_EOF) {
        drain();
        return false;
      }
      if (status != ARCHIVE_OK && status != ARCHIVE_WARN) fail_read("");
      if (++entries_ > options_.max_entries) {
        fail("{}: it has more than {} entries, the limit; raise it if the archive is trusted", name_,
             options_.max_entries);
      }
      describe();
      if (archive_entry_filetype(entry_) == AE_IFREG && archive_entry_hardlink(entry_) == nullptr)
        return true;
      skip();
    }
  }
  const ArchiveEntry& entry() const { return current_; }
  bool is_tar() const {
    return (archive_format(archive_.get()) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_TAR;
  }
  bool is_plain_tar() const { return is_tar() && !gzip_.compressed(); }
  bool is_sparse() const { return archive_entry_sparse_count(entry_) > 0; }
  // Where the reader stands: behind an entry's headers once next() returned.
  int64_t position() const { return archive_filter_bytes(archive_.get(), 0); }

  void skip() {
    count(current_.size > 0 ? static_cast<uint64_t>(current_.size) : 0);
    if (archive_read_data_skip(archive_.get()) != ARCHIVE_OK) fail_read(current_.path);
  }

  std::vector<std::byte> read() {
    const uint64_t limit = std::min(options_.max_entry_bytes, options_.max_total_bytes - total_);
    const bool known = current_.size >= 0;
    if (known && static_cast<uint64_t>(current_.size) > limit) fail_limit(limit);
    const uint64_t most = known ? static_cast<uint64_t>(current_.size) : limit;
    // Grows with what is really there: an archive that lies about a size costs no more memory than it holds.
    std::vector<std::byte> bytes;
    uint64_t done = 0;
    for (;;) {
      if (done == bytes.size() && done < most) {
        bytes.resize(static_cast<size_t>(std::min(most, std::max<uint64_t>(2 * done, uint64_t{1} << 20))));
      }
      std::array<std::byte, 64>
          beyond;  // behind the last byte: the end, where a zip's CRC is checked, or too much
      const std::span<std::byte> room =
          done < most ? std::span(bytes).subspan(static_cast<size_t>(done)) : beyond;
      const la_ssize_t got = archive_read_data(archive_.get(), room.data(), room.size());
      if (got < 0) fail_read(current_.path);
      if (got == 0) break;
      if (done == most) {
        if (!known) fail_limit(limit);
        fail("{}: entry {} is longer than it says; the archive is damaged", name_, quote(current_.path));
      }
      done += static_cast<uint64_t>(got);
    }
    if (known && done < most) {
      fail("{}: entry {} is cut short; the archive is damaged", name_, quote(current_.path));
    }
    bytes.resize(static_cast<size_t>(done));
    count(done);
    return bytes;
  }

 private:
  struct Closer {
    void operator()(archive* a) const { archive_read_free(a); }
  };

  static la_ssize_t next_piece(archive* a, void* self, const void** out) {
    auto* reader = static_cast<Reader*>(self);
    *out = reader->piece_.data();
    try {
      return static_cast<la_ssize_t>(reader->gzip_.read(reader->piece_));
    } catch (...) {  // no exception may pass through C; rethrown by whoever called libarchive
      reader->error_ = std::current_exception();
      archive_set_error(a, EIO, "damaged");
      return -1;
    }
  }

  void describe() {
    const char* utf8 = archive_entry_pathname_utf8(entry_);
    const char* raw = utf8 != nullptr ? utf8 : archive_entry_pathname(entry_);
    current_.path = clean_path(raw != nullptr ? raw : "");
    current_.size = archive_entry_size_is_set(entry_) != 0 ? archive_entry_size(entry_) : -1;
    if (current_.size < -1)
      fail("{}: entry {} has a negative size; the archive is damaged", name_, quote(current_.path));
    // Skipping seeks, and would not notice that the file ends before the entry does.
    if (is_plain_tar() && !is_sparse() && current_.size > 0) {
      const auto start = static_cast<uint64_t>(position());
      if (start > file_bytes_ || static_cast<uint64_t>(current_.size) > file_bytes_ - start) {
        fail("{}: entry {} is cut short; the archive is damaged", name_, quote(current_.path));
      }
    }
  }
  void count(uint64_t bytes) {
    if (bytes > options_.max_total_bytes - total_) {
      fail("{}: it unpacks to more than {} bytes, the limit; raise it if the archive is trusted", name_,
           options_.max_total_bytes);
    }
    total_ += bytes;
  }
  // Up to the end, so that zlib compares the CRC.
  void drain() {
    if (!gzip_.compressed()) return;
    while (const size_t got = gzip_.read(piece_)) count(got);
  }
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }
  [[noreturn]] void fail_limit(uint64_t limit) const {
    fail("{}: entry {} unpacks to more than {} bytes, the limit; raise it if the archive is trusted", name_,
         quote(current_.path), limit);
  }
  [[noreturn]] void fail_read(const std::string& entry) const {
    rethrow();
    const char* said = archive_error_string(archive_.get());
    std::string_view reason = said != nullptr ? said : "it cannot be read";
    while (reason.ends_with('\n')) reason.remove_suffix(1);
    fail("{}: {}{}; the archive is cut short, damaged or of a kind not supported", name_,
         entry.empty() ? "" : fmt::format("entry {}: ", quote(entry)), one_line(std::string(reason)));
  }

  std::string name_;
  const ArchiveOptions& options_;
  Utf8Locale locale_;
  GzipStream gzip_;
  std::vector<std::byte> piece_;
  std::exception_ptr error_;
  uint64_t file_bytes_ = 0, entries_ = 0, total_ = 0;
  std::unique_ptr<archive, Closer> archive_;
  archive_entry* entry_ = nullptr;
  ArchiveEntry current_;
};

// Whether the block is the header of an ordinary file: then what follows are its data, as they are.
bool is_file_header(std::span<const std::byte> block) {
  constexpr size_t kChecksum = 148, kChecksumEnd = 156, kType = 156;
  uint64_t sum = 0, stated = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    sum += i >= kChecksum && i < kChecksumEnd ? 0x20u : static_cast<unsigned>(block[i]);
  }
  for (size_t i = kChecksum; i < kChecksumEnd; ++i) {
    const char digit = static_cast<char>(block[i]);
    if (digit >= '0' && digit <= '7') stated = stated * 8 + static_cast<uint64_t>(digit - '0');
  }
  const char type = static_cast<char>(block[kType]);
  return sum == stated && (type == '0' || type == '\0' || type == '7');
}

}  // namespace

void read_archive(const fs::path& path, const ArchiveOptions& options, const ArchiveCallback& callback) {
  Reader reader(path, options);
  while (reader.next()) {
    if (options.wanted && !options.wanted(reader.entry())) {
      reader.skip();
    } else {
      std::vector<std::byte> bytes = reader.read();
      callback(reader.entry(), std::move(bytes));
    }
  }
}

std::vector<ArchiveEntry> list_archive(const fs::path& path, const ArchiveOptions& options) {
  std::vector<ArchiveEntry> entries;
  Reader reader(path, options);
  while (reader.next()) {
    if (!options.wanted || options.wanted(reader.entry())) entries.push_back(reader.entry());
    reader.skip();
  }
  return entries;
}

std::vector<ArchiveEntry> index_tar(const fs::path& path, const ArchiveOptions& options) {
  std::vector<ArchiveEntry> entries;
  const MappedFile file(path);
  Reader reader(path, options);
  while (reader.next()) {
    if (!reader.is_plain_tar()) {
      fail("{}: it is no uncompressed tar, so its entries have no place of their own; read it in sequence",
           path.string());
    }
    ArchiveEntry entry = reader.entry();
    const auto start = static_cast<size_t>(reader.position());
    const bool direct = !reader.is_sparse() && start >= kBlock && start <= file.bytes().size() &&
                        entry.size >= 0 && is_file_header(file.bytes().subspan(start - kBlock, kBlock));
    entry.offset = direct ? static_cast<int64_t>(start) : -1;
    if (!options.wanted || options.wanted(entry)) entries.push_back(std::move(entry));
    reader.skip();
  }
  return entries;
}

}  // namespace langevin
