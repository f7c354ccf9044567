#include "langevin/io/npz.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "langevin/core/atomic_file.h"
#include "langevin/io/archive.h"
#include "langevin/io/mapped_file.h"
#include "langevin/io/quote.h"

namespace langevin {
namespace {

constexpr std::string_view kSuffix = ".npy";
constexpr uint64_t kMaxFront = 65536 + 16;  // of an .npy, before its data

void check_zip(const std::filesystem::path& path) {
  const MappedFile file(path);
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  if (!text.starts_with("PK\x03\x04") && !text.starts_with("PK\x05\x06")) {
    fail("{}: it does not begin as an .npz (a zip) does; the file is damaged or of another kind",
         path.string());
  }
}

}  // namespace

std::vector<NpzMember> list_npz(const std::filesystem::path& path) {
  check_zip(path);
  std::vector<NpzMember> members;
  std::vector<std::string> names;
  for (const ArchiveEntry& entry : list_archive(path)) {
    if (!entry.path.ends_with(kSuffix)) continue;
    members.push_back({entry.path.substr(0, entry.path.size() - kSuffix.size()), entry.size});
    names.push_back(members.back().name);
  }
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end())
    fail("{}: it has the array {} twice; the file is damaged", path.string(), quote(*twice));
  return members;
}

NpyArray read_npz(const std::filesystem::path& path, const std::string& name, uint64_t max_bytes) {
  std::string known;
  bool present = false;
  for (const NpzMember& member : list_npz(path)) {
    present = present || member.name == name;
    if (known.size() < 200) known += (known.empty() ? "" : ", ") + member.name;
  }
  if (!present)
    fail("{}: it has no array {}; it has: {}", path.string(), quote(name), known.empty() ? "none" : known);

  const std::string source = path.string() + ":" + name;
  ArchiveOptions options;
  options.max_entry_bytes = max_bytes > UINT64_MAX - kMaxFront ? UINT64_MAX : max_bytes + kMaxFront;
  options.max_total_bytes = UINT64_MAX;
  options.wanted = [&](const ArchiveEntry& entry) { return entry.path == name + std::string(kSuffix); };
  NpyArray array;
  read_archive(path, options, [&](const ArchiveEntry&, std::vector<std::byte>&& bytes) {
    NpyHeader header = parse_npy_header(bytes, source);
    if (bytes.size() - header.data_offset != header.data_bytes || header.data_bytes > max_bytes) {
      fail(
          "{}: shape {} of {} needs {} bytes, it has {} (limit {}); the file is damaged or not the right one",
          source, to_string(header.shape), to_string(header.dtype), header.data_bytes,
          bytes.size() - header.data_offset, max_bytes);
    }
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(header.data_offset));
    array = {header.dtype, std::move(header.shape), std::move(bytes)};
  });
  return array;
}

struct NpzWriter::State {
  struct Closer {
    void operator()(archive* a) const { archive_write_free(a); }
  };
  explicit State(const std::filesystem::path& target)
      : path(target.string()), file(target), zip(archive_write_new()) {}

  // No exception may pass through C, and libarchive loses memory when told of a failure: it is kept for ok().
  static la_ssize_t write(archive*, void* self, const void* bytes, size_t size) {
    auto* state = static_cast<State*>(self);
    if (!state->discard && !state->error) {
      try {
        state->file.write(std::span(static_cast<const std::byte*>(bytes), size));
      } catch (...) {
        state->error = std::current_exception();
      }
    }
    return static_cast<la_ssize_t>(size);
  }
  void ok(bool success) const {
    if (error) std::rethrow_exception(error);
    if (success) return;
    const char* reason = archive_error_string(zip.get());
    fail("cannot write {}: {}", path, reason != nullptr ? reason : "the zip writer failed");
  }
  void put(std::span<const std::byte> bytes) const {
    while (!bytes.empty()) {
      const la_ssize_t wrote = archive_write_data(zip.get(), bytes.data(), bytes.size());
      ok(wrote > 0);
      bytes = bytes.subspan(static_cast<size_t>(wrote));
    }
  }

  std::string path;
  AtomicFile file;
  std::exception_ptr error;
  std::vector<std::string> names;
  bool open = false, discard = false;
  uint64_t missing = 0;                  // bytes of the open array still to come
  std::unique_ptr<archive, Closer> zip;  // goes first: closing it calls write()
};

NpzWriter::NpzWriter(const std::filesystem::path& path) : state_(std::make_unique<State>(path)) {
  archive* zip = state_->zip.get();
  state_->ok(zip != nullptr && archive_write_set_format_zip(zip) == ARCHIVE_OK &&
             archive_write_zip_set_compression_store(zip) == ARCHIVE_OK &&
             archive_write_set_bytes_in_last_block(zip, 1) == ARCHIVE_OK &&
             archive_write_open(zip, state_.get(), nullptr, &State::write, nullptr) == ARCHIVE_OK);
}

NpzWriter::~NpzWriter() {
  state_->discard = true;  // not committed: what libarchive still wants to write goes nowhere
}

void NpzWriter::begin_array(const std::string& name, DType dtype, const Shape& shape) {
  State& s = *state_;
  check(s.zip != nullptr && !s.open, "NpzWriter::begin_array",
        "{}: end the array before, and begin before commit", s.path);
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return c > 0x20 && c < 0x7f && c != '/' && c != '\\' && c != ':';
  });
  if (name.empty() || !plain || std::count(s.names.begin(), s.names.end(), name) != 0) {
    fail("cannot write {}: {} cannot name an array, or names one already; give another", s.path, quote(name));
  }
  const std::string front = npy_header(dtype, shape);
  if (!tensor_bytes(shape, dtype, s.missing))
    fail("cannot write {}: shape {} is not possible", s.path, to_string(shape));
  s.names.push_back(name);
  const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(),
                                                                            &archive_entry_free);
  archive_entry_set_pathname(entry.get(), (name + std::string(kSuffix)).c_str());
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0644);
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(front.size() + s.missing));
  s.ok(archive_write_header(s.zip.get(), entry.get()) == ARCHIVE_OK);
  s.put(std::as_bytes(std::span(front)));
  s.open = true;
}

void NpzWriter::append(std::span<const std::byte> bytes) {
  State& s = *state_;
  check(s.open, "NpzWriter::append", "{}: begin an array first", s.path);
  check(bytes.size() <= s.missing, "NpzWriter::append", "{}: {} bytes left in the array, got {}", s.path,
        s.missing, bytes.size());
  s.put(bytes);
  s.missing -= bytes.size();
}

void NpzWriter::end_array() {
  State& s = *state_;
  check(s.open, "NpzWriter::end_array", "{}: begin an array first", s.path);
  check(s.missing == 0, "NpzWriter::end_array", "{}: {} bytes of the array are missing", s.path, s.missing);
  s.ok(archive_write_finish_entry(s.zip.get()) == ARCHIVE_OK);
  s.open = false;
}

void NpzWriter::commit() {
  State& s = *state_;
  check(s.zip != nullptr && !s.open, "NpzWriter::commit", "{}: end the open array first, and commit once",
        s.path);
  s.ok(archive_write_close(s.zip.get()) == ARCHIVE_OK);
  s.zip.reset();
  s.file.commit();
}

}  // namespace langevin
