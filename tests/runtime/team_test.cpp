#include "langevin/runtime/team.h"

#include <gtest/gtest.h>

#include <chrono>

#include "tests/runtime/allocations.h"

namespace langevin {
namespace {

using runtime::Team;

/// Counts what it is called with, and that no stage begins before the last one ended.
struct Log {
  explicit Log(std::vector<int> units) : units(std::move(units)), done(this->units.size()) {
    for (size_t s = 0; s < this->units.size(); ++s) runs.emplace_back(static_cast<size_t>(this->units[s]));
  }
  void operator()(const Team::Task& t) const {
    const auto s = static_cast<size_t>(t.stage);
    if (s > 0 && done[s - 1].load() != units[s - 1]) early.fetch_add(1);
    runs[s][static_cast<size_t>(t.unit)].fetch_add(1);
    if (t.first) firsts.fetch_add(1);
    done[s].fetch_add(1);
  }
  std::vector<int> units;
  mutable std::vector<std::atomic<int>> done;
  mutable std::vector<std::vector<std::atomic<int>>> runs;
  mutable std::atomic<int> early = 0, firsts = 0;
};

TEST(Team, EveryUnitRunsOnceAndStagesFollowEachOther) {
  for (const int threads : {1, 2, 3, 8}) {
    Team team(threads);
    for (int call = 0; call < 200; ++call) {
      const Log log({1, 8, 3, 17, 2, 1, 64});
      team.run(log.units, log);
      EXPECT_EQ(log.early.load(), 0);
      for (const auto& stage : log.runs)
        for (const auto& count : stage) ASSERT_EQ(count.load(), 1);
      EXPECT_GE(log.firsts.load(), 7);
      EXPECT_LE(log.firsts.load(), 7 * threads);
    }
  }
}

TEST(Team, WhatOneStageWritesTheNextReads) {
  Team team(4);
  std::vector<int64_t> values(100, 1);
  const std::vector<int> units(50, 100);
  for (int call = 0; call < 20; ++call) {
    values.assign(100, 1);
    std::vector<int64_t> other(100);
    const auto work = [&](const Team::Task& t) {
      const auto& from = t.stage % 2 == 0 ? values : other;
      auto& to = t.stage % 2 == 0 ? other : values;
      const auto u = static_cast<size_t>(t.unit);
      to[u] = from[u] + from[(u + 37) % 100] % 3;
    };
    team.run(units, work);
    std::vector<int64_t> want(100, 1), next(100);
    for (int stage = 0; stage < 50; ++stage) {
      for (size_t u = 0; u < 100; ++u) next[u] = want[u] + want[(u + 37) % 100] % 3;
      want.swap(next);
    }
    ASSERT_EQ(values, want);
  }
}

TEST(Team, AThreadThatIsPutAsideHoldsNobodyUp) {
  // Thread 1 gets stuck in its first unit; the caller does all others, then waits for that one alone.
  Team team(2);
  std::atomic<int> by_caller = 0, by_other = 0;
  const auto work = [&](const Team::Task& t) {
    if (t.thread == 0) {
      by_caller.fetch_add(1);
    } else {
      by_other.fetch_add(1);
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  };
  const std::vector<int> units{100};
  team.run(units, work);
  EXPECT_EQ(by_caller.load() + by_other.load(), 100);
  EXPECT_LE(by_other.load(), 2);
}

TEST(Team, SleepersWakeUp) {
  Team team(3);
  const Log log({300});
  for (int call = 0; call < 3; ++call) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const Log again({300});
    team.run(again.units, again);
    for (const auto& count : again.runs[0]) ASSERT_EQ(count.load(), 1);
  }
}

TEST(Team, ACallAllocatesNothing) {
  Team team(2);
  std::atomic<int> done = 0;
  const auto work = [&](const Team::Task&) { done.fetch_add(1); };
  const std::vector<int> units{4, 4, 4};
  team.run(units, work);
  test::allocations() = {true, 0, 0};
  for (int i = 0; i < 100; ++i) team.run(units, work);
  const auto counted = test::allocations();
  test::allocations().counting = false;
  EXPECT_EQ(counted.count, 0U);
  EXPECT_EQ(done.load(), 101 * 12);
}

TEST(Team, SharesAreContiguousAndComplete) {
  Team team(3);
  for (const int units : {1, 2, 3, 7, 100}) {
    EXPECT_EQ(team.share(units, 0).begin, 0);
    EXPECT_EQ(team.share(units, 0).end, team.share(units, 1).begin);
    EXPECT_EQ(team.share(units, 1).end, team.share(units, 2).begin);
    EXPECT_EQ(team.share(units, 2).end, units);
  }
}

}  // namespace
}  // namespace langevin
