#include "langevin/runtime/team.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <system_error>

#include "langevin/core/check.h"
#include "langevin/runtime/processors.h"

namespace langevin::runtime {
namespace {

constexpr int kSpins = 1000;     // pauses before sleeping in the midst of a call: some 50 microseconds
constexpr int kPatience = 4000;  // of a thread without a call before it sleeps until there is one
constexpr int kParting = 64;     // threads beyond so many do not look where the others are
constexpr auto kNap = std::chrono::microseconds(20);
constexpr uint64_t kLow = 0xffffU;

uint64_t word(uint32_t call, uint64_t low) { return uint64_t{call} << 32 | low; }
uint32_t call_of(uint64_t word) { return static_cast<uint32_t>(word >> 32); }

// Naps, and does not yield: a yield gives up the rest of a time slice, and a hundred of them leave a thread
// far behind its neighbours when it next has work.
void pause_or_nap(int waited) {
  if (waited < kSpins) {
    hwy::Pause();
  } else {
    std::this_thread::sleep_for(kNap);
  }
}

}  // namespace

Team::Team(int threads) : threads_(threads), members_(new Member[static_cast<size_t>(threads)]()) {
  check(threads >= 1, "Team", "needs at least one thread, got {}", threads);
  workers_.reserve(static_cast<size_t>(threads - 1));
  try {
    for (int t = 1; t < threads; ++t) workers_.emplace_back([this, t] { serve(t); });
  } catch (const std::system_error&) {
    // Fewer threads than asked for: the shares of those that are missing are done by the others.
  }
}

Team::~Team() {
  stop_.store(true, std::memory_order_relaxed);
  call_.fetch_add(1, std::memory_order_release);
  call_.notify_all();
  for (std::thread& t : workers_) t.join();
}

void Team::run_stages(std::span<const int> units, Function function) {
  check(units.size() <= kStages, "Team", "{} stages are too many", units.size());
  const uint32_t call = call_.load(std::memory_order_relaxed) + 1;
  for (size_t s = 0; s < units.size(); ++s) {
    check(units[s] > 0 && units[s] <= kUnits, "Team", "a stage of {} units", units[s]);
    units_[s].store(units[s], std::memory_order_relaxed);
    for (int t = 0; t < threads_; ++t) {
      const Share own = share(units[s], t);
      const auto low = static_cast<uint64_t>(own.end) << 16 | static_cast<uint64_t>(own.begin);
      members_[static_cast<size_t>(t)].share[s].store(word(call, low), std::memory_order_relaxed);
    }
  }
  stages_.store(static_cast<int>(units.size()), std::memory_order_relaxed);
  function_ = function;
  members_[0].processor.store(current_processor(), std::memory_order_relaxed);
  call_.store(call, std::memory_order_release);
  if (!workers_.empty()) call_.notify_all();
  help(0, call);
}

void Team::serve(int thread) {
  uint32_t seen = 0;
  while (!stop_.load(std::memory_order_relaxed)) {
    seen = wait_for_call(seen);
    if (stop_.load(std::memory_order_relaxed)) return;
    part_from_others(thread);
    help(thread, seen);
  }
}

// The caller of run() stays where it is; the others leave the processors of those before them.
void Team::part_from_others(int thread) {
  std::atomic<int>& own = members_[static_cast<size_t>(thread)].processor;
  own.store(current_processor(), std::memory_order_relaxed);
  std::array<int, kParting> taken;
  const int others = std::min<int>(thread, kParting);
  bool together = false;
  for (int t = 0; t < others; ++t) {
    taken[static_cast<size_t>(t)] =
        members_[static_cast<size_t>(t)].processor.load(std::memory_order_relaxed);
    together = together || (taken[static_cast<size_t>(t)] == own && own >= 0);
  }
  if (!together) return;
  leave_processors({taken.data(), static_cast<size_t>(others)});
  own.store(current_processor(), std::memory_order_relaxed);
}

uint32_t Team::wait_for_call(uint32_t seen) const {
  for (int waited = 0; waited < kPatience; ++waited) {
    const uint32_t call = call_.load(std::memory_order_acquire);
    if (call != seen) return call;
    hwy::Pause();
  }
  call_.wait(seen, std::memory_order_acquire);
  return call_.load(std::memory_order_acquire);
}

// Does what it can of every stage. false: the call ended without this thread's noticing.
bool Team::help(int thread, uint32_t call) {
  const int stages = stages_.load(std::memory_order_relaxed);
  Member& self = members_[static_cast<size_t>(thread)];
  for (int s = 0; s < stages; ++s) {
    uint64_t done = 0;
    for (int k = 0; k < threads_; ++k) {
      const int from = (thread + k) % threads_;
      Task task{s, 0, thread, false};
      while (take(from, s, call, task.unit)) {
        task.first = done == 0;
        function_.call(function_.work, task);
        self.done[s].store(word(call, ++done), std::memory_order_release);
      }
    }
    if (!wait_until_done(s, call)) return false;
  }
  return true;
}

bool Team::take(int from, int stage, uint32_t call, int& unit) {
  std::atomic<uint64_t>& share = members_[static_cast<size_t>(from)].share[stage];
  uint64_t now = share.load(std::memory_order_acquire);
  while (call_of(now) == call && (now & kLow) < (now >> 16 & kLow)) {
    if (!share.compare_exchange_weak(now, now + 1, std::memory_order_acq_rel, std::memory_order_acquire))
      continue;
    unit = static_cast<int>(now & kLow);
    return true;
  }
  return false;
}

bool Team::wait_until_done(int stage, uint32_t call) const {
  for (int waited = 0;; ++waited) {
    uint64_t done = 0;
    for (int t = 0; t < threads_; ++t) {
      const uint64_t now = members_[static_cast<size_t>(t)].done[stage].load(std::memory_order_acquire);
      if (call_of(now) == call) done += now & 0xffffffffU;
    }
    if (done == static_cast<uint64_t>(units_[stage].load(std::memory_order_relaxed))) return true;
    if (call_.load(std::memory_order_relaxed) != call) return false;
    pause_or_nap(waited);
  }
}

}  // namespace langevin::runtime
