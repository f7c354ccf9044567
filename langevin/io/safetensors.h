// The safetensors format: 8 bytes little-endian header length, a JSON object, tensor data to the end of the
// file. Files from anywhere may be opened: everything the header claims is checked against the file first.
//
// Files written here carry the metadata key `xxh3`: 32 hex digits of XXH3-128 over the header (all its bytes,
// padding included, with these 32 digits as '0') followed by all tensor data. Other readers see one more text
// entry.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "langevin/core/array.h"
#include "langevin/io/dtype.h"
#include "langevin/io/mapped_file.h"

namespace langevin {

/// A tensor inside an open file: row-major bytes, valid as long as the file is open, perhaps not aligned.
struct TensorView {
  DType dtype = DType::f32;
  Shape shape;
  std::span<const std::byte> bytes;
};

/// A copy as float32; f64, f16 and bf16 are converted; a scalar gets the shape (1,). Error, which begins with
/// `what`, for other types.
HostArrayF to_float(const TensorView& tensor, const std::string& what);

/// Error naming the source, the tensor it lacks and the nearest name there is.
[[noreturn]] void fail_no_tensor(const std::string& source, const std::string& name,
                                 const std::vector<std::string>& names);

/// An open, memory-mapped file; move-only. Tensors are read from the disk when touched.
class SafetensorsFile {
 public:
  /// Error naming the file, what is wrong and where: header longer than 100 MB or than the file, not a JSON
  /// object of the format, a name twice, unknown dtype, shape and offsets that disagree, data with holes,
  /// overlap or remainder.
  static SafetensorsFile open(const std::filesystem::path& path);
  /// The same over memory that the caller keeps; `source` is named in errors.
  static SafetensorsFile parse(std::span<const std::byte> bytes, std::string source);

  const std::vector<std::string>& names() const { return names_; }  // in the order of their data
  bool contains(const std::string& name) const { return tensors_.count(name) != 0; }
  /// Error naming the file, the tensor and the nearest name there is.
  const TensorView& at(const std::string& name) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  HostArrayF to_float(const std::string& name) const;

  const std::string& source() const { return source_; }          // the path, for messages
  std::span<const std::byte> header() const { return header_; }  // the JSON text with its padding
  std::span<const std::byte> data() const { return data_; }      // all tensors

 private:
  SafetensorsFile() = default;
  void read(std::span<const std::byte> bytes);
  MappedFile mapped_;
  std::string source_;
  std::span<const std::byte> header_, data_;
  std::vector<std::string> names_;
  std::map<std::string, TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
};

/// A tensor to be written: dense, row-major; the bytes stay the caller's.
struct TensorOut {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  std::span<const std::byte> bytes;
};

/// Writes the file atomically, without a second copy of the data. The bytes depend only on the arguments, not
/// on the order of `tensors`: they are laid out by element size (largest first, so each is aligned), then by
/// name. Error: a name empty, "__metadata__" or twice; bytes that do not fit the shape; text that is not
/// UTF-8; full disk.
void write_safetensors(const std::filesystem::path& path, const std::vector<TensorOut>& tensors,
                       const std::map<std::string, std::string>& metadata);

/// Reads the whole file and compares it with its `xxh3`; nothing happens when the file carries none (it came
/// from elsewhere). Error "X: checksum does not match (the file is damaged) ...".
void verify_checksum(const SafetensorsFile& file);

}  // namespace langevin
