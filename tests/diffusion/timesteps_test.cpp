#include "langevin/diffusion/timesteps.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "langevin/core/check.h"

namespace langevin {
namespace {

TEST(UniformTimesteps, AreUniform) {
  constexpr int64_t kT = 20, kDraws = 40000;
  std::vector<double> count(kT);
  for (int64_t t : uniform_timesteps(kT, 7, 0, kDraws)) {
    ASSERT_TRUE(t >= 0 && t < kT);
    ++count[static_cast<size_t>(t)];
  }
  double chi2 = 0;
  for (double c : count) chi2 += (c - kDraws / kT) * (c - kDraws / kT) / (kDraws / kT);
  EXPECT_LT(chi2, 43.8);  // 99.9 % point of chi-square with 19 degrees of freedom
  EXPECT_GT(chi2, 4.9);   // 0.1 % point of the lower tail: too even is not random either
}

TEST(UniformTimesteps, DependOnThePlaceInTheStreamOnly) {
  const auto all = uniform_timesteps(1000, 3, 0, 10);
  const auto tail = uniform_timesteps(1000, 3, 6, 4);
  EXPECT_TRUE(std::equal(tail.begin(), tail.end(), all.begin() + 6));
  EXPECT_NE(all, uniform_timesteps(1000, 4, 0, 10));
  EXPECT_EQ(uniform_timestep(1, 3, 5), 0);
  EXPECT_THROW(uniform_timestep(0, 3, 5), Error);
}

TEST(StratifiedTimesteps, CoverTheRangeInEveryBatch) {
  for (uint64_t step = 0; step < 200; ++step) {
    auto t = stratified_timesteps(1000, 1, step, 16);
    std::sort(t.begin(), t.end());
    ASSERT_TRUE(t.front() >= 0 && t.back() < 1000);
    for (size_t i = 1; i < t.size(); ++i) {
      ASSERT_GE(t[i] - t[i - 1], 62) << step;  // 1000 / 16 = 62.5
      ASSERT_LE(t[i] - t[i - 1], 63) << step;
    }
  }
}

TEST(StratifiedTimesteps, AreUniformAtEachPosition) {
  constexpr int64_t kT = 20, kSteps = 20000;
  for (const int64_t position : {0, 5}) {
    std::vector<double> count(kT);
    for (uint64_t step = 0; step < kSteps; ++step) {
      ++count[static_cast<size_t>(stratified_timestep(kT, 2, step, position, 6))];
    }
    double chi2 = 0;
    for (double c : count) chi2 += (c - kSteps / kT) * (c - kSteps / kT) / (kSteps / kT);
    EXPECT_LT(chi2, 43.8) << position;
  }
}

TEST(StratifiedTimesteps, AreAPureFunction) {
  const auto batch = stratified_timesteps(1000, 1, 5, 4);
  for (int64_t i = 0; i < 4; ++i)
    EXPECT_EQ(stratified_timestep(1000, 1, 5, i, 4), batch[static_cast<size_t>(i)]);
  EXPECT_NE(batch, stratified_timesteps(1000, 1, 6, 4));
  EXPECT_THROW(stratified_timestep(1000, 1, 5, 4, 4), Error);
}

}  // namespace
}  // namespace langevin
