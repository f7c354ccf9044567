// NumPy's .npy: magic, version, a Python dictionary as text, data. Versions 1 and 2, little-endian, C order.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "langevin/core/array.h"
#include "langevin/io/dtype.h"

namespace langevin {

/// A dense row-major array. Types: f16, f32, f64, i8, i16, i32, i64, u8, boolean (no bf16: NumPy has none).
struct NpyArray {
  DType dtype = DType::f32;
  Shape shape;
  std::vector<std::byte> bytes;

  /// The values as float32, whatever the type.
  HostArrayF to_float() const;
};

/// What the front of an .npy says; the data begin at `data_offset` and are `data_bytes` long.
struct NpyHeader {
  DType dtype = DType::f32;
  Shape shape;
  size_t data_offset = 0;
  uint64_t data_bytes = 0;
};

/// Parses the front of an .npy (`bytes` may end behind it). Error naming `source`: wrong magic or version, a
/// header longer than 64 KiB or than `bytes`, a type not listed above, big-endian data, Fortran order, an
/// overflowing shape.
NpyHeader parse_npy_header(std::span<const std::byte> bytes, const std::string& source);
/// A whole .npy in memory; Error also when the length is not what the header says.
NpyArray parse_npy(std::span<const std::byte> bytes, const std::string& source);
/// The front of an .npy, padded so that data begin at a multiple of 64 bytes.
std::string npy_header(DType dtype, const Shape& shape);

/// Error when absent, damaged or with more than `max_bytes` of data (checked before allocation).
NpyArray read_npy(const std::filesystem::path& path, uint64_t max_bytes);
/// Atomic. Error when `bytes` do not fit the shape.
void write_npy(const std::filesystem::path& path, DType dtype, const Shape& shape,
               std::span<const std::byte> bytes);

}  // namespace langevin
