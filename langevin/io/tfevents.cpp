#include "langevin/io/tfevents.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "langevin/core/check.h"
#include "langevin/io/mapped_file.h"

namespace langevin {
namespace {

constexpr size_t kFront = 12, kBack = 4;  // of a record: length and its CRC; CRC of the payload

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1u) != 0 ? 0x82f63b78u : 0u);
    table[i] = value;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kCrcTable = make_crc_table();

// TFRecord stores CRCs rotated and offset, so that a CRC over data with CRCs in it stays strong.
uint32_t masked_crc(std::span<const std::byte> bytes) { return std::rotr(crc32c(bytes), 15) + 0xa282ead8u; }

std::span<const std::byte> as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

template <class T>
void put_raw(std::string& out, T value) {
  std::array<char, sizeof(T)> raw;
  std::memcpy(raw.data(), &value, sizeof(T));
  out.append(raw.data(), raw.size());
}

// Protocol Buffers: a field is a key (number and wire type) and its value.
enum Wire : uint32_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}
void put_key(std::string& out, uint32_t field, Wire wire) { put_varint(out, field << 3 | wire); }
void put_integer(std::string& out, uint32_t field, int64_t value) {
  put_key(out, field, Wire::varint);
  put_varint(out, static_cast<uint64_t>(value));
}
void put_bytes(std::string& out, uint32_t field, std::string_view value) {
  put_key(out, field, Wire::bytes);
  put_varint(out, value.size());
  out += value;
}

// Event.summary (5) > Summary.value (1) > Value with a tag (1) and `content`.
std::string summary(const std::string& tag, const std::string& content) {
  std::string value, summary, field;
  put_bytes(value, 1, tag);
  value += content;
  put_bytes(summary, 1, value);
  put_bytes(field, 5, summary);
  return field;
}

// Bytes of whole, undamaged records at the front of a file.
size_t whole_records(std::span<const std::byte> file) {
  size_t end = 0;
  while (file.size() - end >= kFront + kBack) {
    const std::span<const std::byte> rest = file.subspan(end);
    uint64_t length = 0;
    uint32_t front_crc = 0, back_crc = 0;
    std::memcpy(&length, rest.data(), 8);
    std::memcpy(&front_crc, rest.data() + 8, 4);
    if (front_crc != masked_crc(rest.first(8)) || length > rest.size() - kFront - kBack) break;
    std::memcpy(&back_crc, rest.data() + kFront + length, 4);
    if (back_crc != masked_crc(rest.subspan(kFront, length))) break;
    end += kFront + length + kBack;
  }
  return end;
}

[[noreturn]] void fail_write(const std::filesystem::path& path, int error) {
  fail("cannot write {}: {}; free some space or check the path and its permissions", path.string(),
       std::strerror(error));
}

}  // namespace

uint32_t crc32c(std::span<const std::byte> bytes, uint32_t crc) {
  crc = ~crc;
  for (const std::byte byte : bytes)
    crc = kCrcTable[(crc ^ static_cast<uint32_t>(byte)) & 0xffu] ^ (crc >> 8);
  return ~crc;
}

EventWriter::EventWriter(const std::filesystem::path& path, bool append) : path_(path) {
  size_t keep = 0;
  std::error_code error;
  if (append && std::filesystem::exists(path, error)) {
    const MappedFile old(path);
    keep = whole_records(old.bytes());
    if (keep == 0 && !old.bytes().empty()) {
      fail("cannot append to {}: it is no event file; move it away or give another name", path.string());
    }
  }
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
  fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd_ < 0) fail_write(path, errno);
  // From here on the destructor does not run if we throw.
  try {
    if (::ftruncate(fd_, static_cast<off_t>(keep)) != 0) fail_write(path, errno);
    if (keep == 0) {
      std::string field;
      put_bytes(field, 3, "brain.Event:2");
      write_event(0, field);
    }
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

EventWriter::~EventWriter() { ::close(fd_); }

void EventWriter::restart(int64_t step) {
  std::string status, field;
  put_integer(status, 1, 1);    // SessionLog.status = START
  put_bytes(field, 7, status);  // Event.session_log
  write_event(step, field);
}

void EventWriter::scalar(const std::string& tag, int64_t step, double value) {
  std::string content;
  put_key(content, 2, Wire::fixed32);
  put_raw(content, static_cast<float>(value));
  write_event(step, summary(tag, content));
}

void EventWriter::image(const std::string& tag, int64_t step, int64_t width, int64_t height, int64_t channels,
                        std::span<const std::byte> png) {
  check(width > 0 && height > 0 && (channels == 1 || channels == 3 || channels == 4), "EventWriter::image",
        "needs a size and 1, 3 or 4 channels, got {} x {} x {}", width, height, channels);
  std::string image, content;
  put_integer(image, 1, height);
  put_integer(image, 2, width);
  put_integer(image, 3, channels);
  put_bytes(image, 4, {reinterpret_cast<const char*>(png.data()), png.size()});
  put_bytes(content, 4, image);
  write_event(step, summary(tag, content));
}

void EventWriter::flush() {
  if (::fsync(fd_) != 0 && errno != EINVAL) fail_write(path_, errno);
}

void EventWriter::write_event(int64_t step, std::string_view field) {
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  std::string event;
  put_key(event, 1, Wire::fixed64);
  put_raw(event, now.count());
  if (step != 0) put_integer(event, 2, step);
  event += field;
  std::string record;
  put_raw(record, static_cast<uint64_t>(event.size()));
  put_raw(record, masked_crc(as_bytes(record)));
  record += event;
  put_raw(record, masked_crc(as_bytes(event)));
  const off_t start = ::lseek(fd_, 0, SEEK_END);
  for (std::string_view rest = record; !rest.empty();) {
    const ssize_t wrote = ::write(fd_, rest.data(), rest.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) {
      const int reason = wrote < 0 ? errno : ENOSPC;
      if (start >= 0 && ::ftruncate(fd_, start) != 0) fail_write(path_, errno);  // leave no half record
      fail_write(path_, reason);
    }
    rest.remove_prefix(static_cast<size_t>(wrote));
  }
}

}  // namespace langevin
