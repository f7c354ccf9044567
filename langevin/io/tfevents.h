// TensorBoard's event files: TFRecord frames (length, masked CRC32C, payload, masked CRC32C) around Event
// messages of Protocol Buffers, encoded by hand: the few fields used never change.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace langevin {

/// CRC-32C (Castagnoli), RFC 3720 appendix B.4. `crc` continues an earlier value.
uint32_t crc32c(std::span<const std::byte> bytes, uint32_t crc = 0);

/// Appends events to one file; each call is one write, whole in the file when it returns. TensorBoard finds
/// files whose name contains "tfevents".
class EventWriter {
 public:
  /// `append`: continue an existing file behind its last whole record (a killed process may have left half of
  /// one); otherwise the file starts anew. Error naming the path, also on a full disk.
  EventWriter(const std::filesystem::path& path, bool append);
  ~EventWriter();
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;

  /// Events written so far from `step` on no longer count: TensorBoard drops them (a session's start).
  void restart(int64_t step);
  void scalar(const std::string& tag, int64_t step, double value);
  /// `png`: an encoded PNG file of that size; channels 1, 3 or 4.
  void image(const std::string& tag, int64_t step, int64_t width, int64_t height, int64_t channels,
             std::span<const std::byte> png);
  /// Onto the disk (fsync).
  void flush();

 private:
  void write_event(int64_t step, std::string_view field);
  std::filesystem::path path_;
  int fd_ = -1;
};

}  // namespace langevin
