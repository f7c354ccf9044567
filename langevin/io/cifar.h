// The binary version of CIFAR-10 and CIFAR-100 (Krizhevsky 2009): records of label bytes and 3 x 32 x 32
// pixels.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "langevin/core/array.h"

namespace langevin {

enum class CifarKind {
  cifar10,   // 1 label byte (0-9)
  cifar100,  // 2 label bytes: coarse (0-19), fine (0-99)
};

struct CifarBatch {
  Shape shape;                         // (N, 32, 32, 3)
  std::vector<uint8_t> images;         // NHWC, RGB
  std::vector<uint8_t> labels;         // N; CIFAR-100: the fine ones
  std::vector<uint8_t> coarse_labels;  // N for CIFAR-100, else empty
};

/// Error naming `source`: no record, a length that is no multiple of the record, a label out of range.
CifarBatch parse_cifar(std::span<const std::byte> bytes, CifarKind kind, const std::string& source);
/// The same from a file of at most 1 GiB.
CifarBatch read_cifar(const std::filesystem::path& path, CifarKind kind);

}  // namespace langevin
