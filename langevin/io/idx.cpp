#include "langevin/io/idx.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "langevin/core/atomic_file.h"
#include "langevin/io/dtype.h"
#include "langevin/io/gzip_stream.h"

namespace langevin {
namespace {

constexpr size_t kMaxRank = 8;
constexpr uint64_t kMaxRatio = 1032;  // no deflate stream expands further (zlib's technical notes)

std::string_view type_name(uint8_t code) {
  switch (code) {
    case 0x08:
      return "unsigned bytes";
    case 0x09:
      return "signed bytes";
    case 0x0B:
      return "16-bit integers";
    case 0x0C:
      return "32-bit integers";
    case 0x0D:
      return "32-bit floats";
    case 0x0E:
      return "64-bit floats";
    default:
      return "";
  }
}

Shape read_shape(GzipStream& stream, const std::filesystem::path& path) {
  std::array<uint8_t, 4> magic{};
  const size_t got = stream.read(std::as_writable_bytes(std::span(magic)));
  const std::string_view type = type_name(magic[2]);
  if (got != 4 || magic[0] != 0 || magic[1] != 0 || type.empty() || magic[3] == 0 || magic[3] > kMaxRank) {
    fail("{}: it does not begin as an IDX file does; the file is damaged or of another kind", path.string());
  }
  if (magic[2] != 0x08) fail("{}: it holds {}, expected unsigned bytes; convert it", path.string(), type);
  std::array<uint8_t, 4 * kMaxRank> raw{};
  const std::span<uint8_t> extents = std::span(raw).first(size_t{4} * magic[3]);
  if (stream.read(std::as_writable_bytes(extents)) != extents.size())
    fail("{}: cut short inside its header; take another copy", path.string());
  Shape shape;
  for (size_t i = 0; i < extents.size(); i += 4) {
    shape.push_back(int64_t{extents[i]} << 24 | int64_t{extents[i + 1]} << 16 | int64_t{extents[i + 2]} << 8 |
                    int64_t{extents[i + 3]});
  }
  return shape;
}

}  // namespace

IdxArray read_idx(const std::filesystem::path& path, uint64_t max_bytes) {
  GzipStream stream(path);
  IdxArray array;
  array.shape = read_shape(stream, path);
  uint64_t bytes = 0;
  const bool possible = tensor_bytes(array.shape, DType::u8, bytes);
  const uint64_t on_disk = std::filesystem::file_size(path);
  if (!possible || bytes / (stream.compressed() ? kMaxRatio : 1) > on_disk) {
    fail("{}: shape {} does not fit a file of {} bytes; it is cut short or damaged", path.string(),
         to_string(array.shape), on_disk);
  }
  if (bytes > max_bytes) {
    fail("{}: it holds {} bytes, at most {} are expected; check that it is the right file", path.string(),
         bytes, max_bytes);
  }
  // Grows with what is really there: a header that lies costs no more memory than its file holds.
  constexpr uint64_t kPiece = uint64_t{1} << 24;
  uint64_t done = 0;
  while (done < bytes) {
    const uint64_t piece = std::min(kPiece, bytes - done);
    array.data.resize(static_cast<size_t>(done + piece));
    const size_t got =
        stream.read(std::as_writable_bytes(std::span(array.data).subspan(static_cast<size_t>(done))));
    done += got;
    if (got < piece) {
      fail("{}: shape {} needs {} bytes of data, it has {}; it is cut short or damaged", path.string(),
           to_string(array.shape), bytes, done);
    }
  }
  std::array<std::byte, 1> more{};
  if (stream.read(more) != 0) {
    fail("{}: it goes on behind the {} bytes of shape {}; it is damaged", path.string(), bytes,
         to_string(array.shape));
  }
  return array;
}

void write_idx(const std::filesystem::path& path, const IdxArray& array) {
  uint64_t bytes = 0;
  if (array.shape.empty() || array.shape.size() > kMaxRank || !tensor_bytes(array.shape, DType::u8, bytes) ||
      bytes != array.data.size()) {
    fail("cannot write {}: shape {} does not fit {} bytes", path.string(), to_string(array.shape),
         array.data.size());
  }
  std::string header{'\0', '\0', '\x08', static_cast<char>(array.shape.size())};
  for (const int64_t extent : array.shape) {
    if (extent > INT32_MAX) fail("cannot write {}: extent {} is too large for IDX", path.string(), extent);
    for (int shift = 24; shift >= 0; shift -= 8) header += static_cast<char>((extent >> shift) & 0xff);
  }
  AtomicFile file(path);
  file.write(header);
  file.write(std::as_bytes(std::span(array.data)));
  file.commit();
}

}  // namespace langevin
