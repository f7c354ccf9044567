#include "langevin/io/cifar.h"

#include "scratch.h"

namespace langevin {
namespace {

using namespace scratch;

constexpr size_t kPlane = 32 * 32;

// Record n: the given labels, then red = n, green = 100, blue = index of the pixel modulo 251.
Bytes record(const std::vector<uint8_t>& labels, uint8_t red) {
  Bytes bytes;
  for (const uint8_t label : labels) bytes.push_back(std::byte{label});
  bytes.insert(bytes.end(), kPlane, std::byte{red});
  bytes.insert(bytes.end(), kPlane, std::byte{100});
  for (size_t i = 0; i < kPlane; ++i) bytes.push_back(static_cast<std::byte>(i % 251));
  return bytes;
}

Bytes join(const Bytes& a, const Bytes& b) {
  Bytes both = a;
  both.insert(both.end(), b.begin(), b.end());
  return both;
}

TEST(Cifar, PlanesBecomePixels) {
  const CifarBatch batch = parse_cifar(join(record({3}, 11), record({9}, 12)), CifarKind::cifar10, "test");
  EXPECT_EQ(batch.shape, (Shape{2, 32, 32, 3}));
  EXPECT_EQ(batch.labels, (std::vector<uint8_t>{3, 9}));
  EXPECT_TRUE(batch.coarse_labels.empty());
  for (size_t n = 0; n < 2; ++n) {
    for (size_t p = 0; p < kPlane; ++p) {
      const uint8_t* pixel = &batch.images[(n * kPlane + p) * 3];
      ASSERT_EQ(pixel[0], 11 + n);
      ASSERT_EQ(pixel[1], 100);
      ASSERT_EQ(pixel[2], p % 251);
    }
  }
}

TEST(Cifar, HundredClassesHaveTwoLabels) {
  Folder folder;
  put(folder / "train.bin", join(record({19, 99}, 1), record({0, 42}, 2)));
  const CifarBatch batch = read_cifar(folder / "train.bin", CifarKind::cifar100);
  EXPECT_EQ(batch.labels, (std::vector<uint8_t>{99, 42}));
  EXPECT_EQ(batch.coarse_labels, (std::vector<uint8_t>{19, 0}));
  EXPECT_EQ(batch.images[0], 1);
}

TEST(Cifar, RefusesWrongLengthsAndLabels) {
  const Bytes good = record({9}, 0);
  for (const size_t size : {size_t{0}, size_t{1}, good.size() - 1}) {
    EXPECT_ERROR(parse_cifar(std::span(good).first(size), CifarKind::cifar10, "test"), "test: ");
  }
  EXPECT_ERROR(parse_cifar(join(good, as_bytes("x")), CifarKind::cifar10, "test"), "whole number");
  EXPECT_ERROR(parse_cifar(join(good, record({10}, 0)), CifarKind::cifar10, "test"),
               "record 1 has the label 10");
  EXPECT_ERROR(parse_cifar(record({20, 5}, 0), CifarKind::cifar100, "test"), "label 20");
  EXPECT_ERROR(parse_cifar(record({5, 100}, 0), CifarKind::cifar100, "test"), "label 100");
  EXPECT_ERROR(parse_cifar(good, CifarKind::cifar100, "test"), "whole number");
}

}  // namespace
}  // namespace langevin
