#include "langevin/runtime/pages.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <utility>

namespace langevin::runtime {
namespace {

TEST(Pages, PiecesAreAlignedZeroAndApart) {
  Pages pages;
  std::vector<std::pair<std::byte*, size_t>> pieces;
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{63}, size_t{65}, size_t{1} << 20, size_t{70} << 20,
                             size_t{5}, size_t{40} << 20, size_t{40} << 20}) {
    std::byte* piece = pages.take(bytes);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(piece) % 64, 0U);
    for (const auto& [other, size] : pieces) EXPECT_TRUE(piece + bytes <= other || other + size <= piece);
    if (bytes > 0) {
      EXPECT_EQ(piece[0], std::byte{0});
      piece[bytes - 1] = std::byte{1};
    }
    pieces.emplace_back(piece, bytes);
  }
  EXPECT_THROW(pages.take(SIZE_MAX), std::bad_alloc);
  EXPECT_THROW(pages.take(size_t{1} << 60), std::bad_alloc);
}

TEST(Pages, PiecesMoveWithTheirOwner) {
  Pages first;
  std::byte* piece = first.take(100);
  piece[99] = std::byte{7};
  const Pages second = std::move(first);
  EXPECT_EQ(piece[99], std::byte{7});
}

}  // namespace
}  // namespace langevin::runtime
