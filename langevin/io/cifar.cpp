#include "langevin/io/cifar.h"

#include "langevin/core/atomic_file.h"

namespace langevin {
namespace {

constexpr size_t kSide = 32, kPlane = kSide * kSide, kPixels = 3 * kPlane;
constexpr size_t kMaxFile = size_t{1} << 30;

uint8_t checked_label(std::byte label, int classes, size_t record, const std::string& source) {
  const auto value = static_cast<uint8_t>(label);
  if (value >= classes) {
    fail("{}: record {} has the label {}, expected below {}; the file is damaged or of the other CIFAR",
         source, record, value, classes);
  }
  return value;
}

}  // namespace

CifarBatch parse_cifar(std::span<const std::byte> bytes, CifarKind kind, const std::string& source) {
  const size_t label_bytes = kind == CifarKind::cifar10 ? 1 : 2, record = label_bytes + kPixels;
  if (bytes.empty() || bytes.size() % record != 0) {
    fail("{}: {} bytes are not a whole number of {}-byte CIFAR records; it is cut short or of another kind",
         source, bytes.size(), record);
  }
  const size_t count = bytes.size() / record;
  CifarBatch batch;
  batch.shape = {static_cast<int64_t>(count), kSide, kSide, 3};
  batch.images.resize(count * kPixels);
  for (size_t n = 0; n < count; ++n) {
    const std::span<const std::byte> labels = bytes.subspan(n * record, label_bytes);
    if (kind == CifarKind::cifar100) batch.coarse_labels.push_back(checked_label(labels[0], 20, n, source));
    batch.labels.push_back(checked_label(labels.back(), kind == CifarKind::cifar10 ? 10 : 100, n, source));
    const std::span<const std::byte> planes = bytes.subspan(n * record + label_bytes, kPixels);
    uint8_t* image = batch.images.data() + n * kPixels;
    for (size_t p = 0; p < kPlane; ++p) {
      for (size_t c = 0; c < 3; ++c) image[3 * p + c] = static_cast<uint8_t>(planes[c * kPlane + p]);
    }
  }
  return batch;
}

CifarBatch read_cifar(const std::filesystem::path& path, CifarKind kind) {
  return parse_cifar(read_bytes(path, kMaxFile), kind, path.string());
}

}  // namespace langevin
