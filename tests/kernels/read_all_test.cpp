#include "langevin/kernels/read_all.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace langevin {
namespace {

TEST(ReadAll, SeesEveryWordOnce) {
  std::mt19937_64 random(1);
  for (const size_t n : {0, 1, 7, 31, 32, 33, 1000, 100'003}) {
    std::vector<uint64_t> words(n);
    for (auto& w : words) w = random();
    EXPECT_EQ(read_all(words.data(), static_cast<int64_t>(n)),
              reference::read_all(words.data(), static_cast<int64_t>(n)))
        << n;
  }
}

}  // namespace
}  // namespace langevin
