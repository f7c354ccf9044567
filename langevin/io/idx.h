// IDX, the format of MNIST and its relatives: two zero bytes, type, number of dimensions, big-endian extents,
// data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "langevin/core/array.h"

namespace langevin {

/// Unsigned bytes, row-major: images (N, H, W), labels (N).
struct IdxArray {
  Shape shape;
  std::vector<uint8_t> data;
};

/// Reads a plain or gzipped file (told apart by content). Error: damaged, cut short, trailing bytes, another
/// element type (named), or more than `max_bytes` of data; the extents are checked against the file before
/// allocation.
IdxArray read_idx(const std::filesystem::path& path, uint64_t max_bytes = uint64_t{1} << 32);

/// Writes a plain file, atomically.
void write_idx(const std::filesystem::path& path, const IdxArray& array);

}  // namespace langevin
