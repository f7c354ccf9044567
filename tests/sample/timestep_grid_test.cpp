#include "langevin/sample/timestep_grid.h"

#include <gtest/gtest.h>

#include <numeric>

#include "langevin/core/check.h"

namespace langevin {
namespace {

using Grid = std::vector<int64_t>;

// Lin et al. 2023, arXiv:2305.08891, table 2 (T = 1000, 10 steps; there counted from 1).
TEST(TimestepGrid, IsThePublishedTable) {
  EXPECT_EQ(timestep_grid(1000, 10, Spacing::leading),
            (Grid{900, 800, 700, 600, 500, 400, 300, 200, 100, 0}));
  EXPECT_EQ(timestep_grid(1000, 10, Spacing::linspace),
            (Grid{999, 888, 777, 666, 555, 444, 333, 222, 111, 0}));
  EXPECT_EQ(timestep_grid(1000, 10, Spacing::trailing),
            (Grid{999, 899, 799, 699, 599, 499, 399, 299, 199, 99}));
}

TEST(TimestepGrid, RoundsHalvesToEvenAsNumpyDoes) {
  // 10 - i 10/4 = 10, 7.5, 5, 2.5 -> 10, 8, 5, 2, less one; (T-1)/(n-1) = 9/2 = 4.5 -> 4.
  EXPECT_EQ(timestep_grid(10, 4, Spacing::trailing), (Grid{9, 7, 4, 1}));
  EXPECT_EQ(timestep_grid(10, 3, Spacing::linspace), (Grid{9, 4, 0}));
  EXPECT_EQ(timestep_grid(10, 3, Spacing::leading), (Grid{6, 3, 0}));
}

TEST(TimestepGrid, OffsetMovesLeadingOnly) {
  EXPECT_EQ(timestep_grid(1000, 4, Spacing::leading, 1), (Grid{751, 501, 251, 1}));
  EXPECT_EQ(timestep_grid(1000, 4, Spacing::trailing, 1), timestep_grid(1000, 4, Spacing::trailing));
}

TEST(TimestepGrid, AnyNumberOfStepsFallsStrictly) {
  for (const int64_t T : {1, 2, 7, 50, 1000}) {
    Grid all(static_cast<size_t>(T));
    std::iota(all.rbegin(), all.rend(), 0);
    for (const auto kind : {Spacing::leading, Spacing::trailing, Spacing::linspace}) {
      for (int64_t n = 1; n <= T; ++n) ASSERT_EQ(timestep_grid(T, n, kind).size(), static_cast<size_t>(n));
      EXPECT_EQ(timestep_grid(T, T, kind), all) << to_string(kind) << T;
    }
    for (int64_t n = 1; n <= T; ++n) {
      ASSERT_EQ(timestep_grid(T, n, Spacing::trailing).front(), T - 1);
      ASSERT_EQ(timestep_grid(T, n, Spacing::linspace).front(), T - 1);
    }
  }
}

TEST(TimestepGrid, RefusesWhatDoesNotFit) {
  for (const int64_t n : {0, -1, 1001}) EXPECT_THROW(timestep_grid(1000, n, Spacing::leading), Error);
  EXPECT_THROW(timestep_grid(1000, 1000, Spacing::leading, 1), Error);
  EXPECT_THROW(timestep_grid(1000, 10, Spacing::leading, -1), Error);
  EXPECT_THROW(timestep_grid(0, 1, Spacing::leading), Error);
  EXPECT_THROW(check_grid({}, 10, "f"), Error);
  EXPECT_THROW(check_grid({3, 3}, 10, "f"), Error);
  EXPECT_THROW(check_grid({10, 3}, 10, "f"), Error);
  try {
    spacing("trailling");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("trailing"), std::string::npos);
  }
}

}  // namespace
}  // namespace langevin
