// Threads that share a call whose steps take microseconds, where waking threads at every step would cost more
// than the steps. A call is stages one after the other, each of units that may run in any order and at once.
// A thread takes units of its own share first, then of the others'; a stage is done when its units are.
// Nobody waits for a thread that has taken nothing: one that the system has put aside costs its help, not its
// time slice.
//
// Waiting threads spin for some microseconds, then nap; between calls they sleep after a while.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <vector>

namespace langevin::runtime {

class Team {
 public:
  static constexpr int kStages = 512;   // of one call
  static constexpr int kUnits = 65535;  // of one stage

  struct Task {
    int stage = 0, unit = 0;
    int thread = 0;      // 0 .. threads - 1
    bool first = false;  // the first unit of this stage that this thread does in this call
  };

  /// The caller of run() is one of `threads` >= 1; the others start now and end with this object.
  explicit Team(int threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int threads() const { return threads_; }
  /// The share of thread `thread` in a stage of `units`: [begin, end).
  struct Share {
    int begin = 0, end = 0;
  };
  Share share(int units, int thread) const {
    return {static_cast<int>(int64_t{units} * thread / threads_),
            static_cast<int>(int64_t{units} * (thread + 1) / threads_)};
  }

  /// Calls work(task) once for each unit of each stage and returns when all are done. `work` must not throw.
  /// Not to be called by two threads at once. Allocates nothing. Error: more stages or units than the limits
  /// above.
  template <class Work>
  void run(std::span<const int> units, const Work& work) {
    run_stages(units,
               {&work, [](const void* of, const Task& task) { (*static_cast<const Work*>(of))(task); }});
  }

 private:
  struct Function {
    const void* work = nullptr;
    void (*call)(const void*, const Task&) = nullptr;
  };
  /// What belongs to one thread's share. Words carry the number of the call, so that a thread that was put
  /// aside during an earlier one finds nothing here that it could mistake for its own.
  struct alignas(64) Member {
    std::atomic<uint64_t> share[kStages];             // call << 32 | end << 16 | next
    alignas(64) std::atomic<uint64_t> done[kStages];  // call << 32 | units that this thread has done
    std::atomic<int> processor = -1;                  // that it was seen on
  };

  void run_stages(std::span<const int> units, Function function);
  void serve(int thread);
  void part_from_others(int thread);
  bool help(int thread, uint32_t call);
  bool take(int from, int stage, uint32_t call, int& unit);
  bool wait_until_done(int stage, uint32_t call) const;
  uint32_t wait_for_call(uint32_t seen) const;

  int threads_;
  std::unique_ptr<Member[]> members_;
  std::atomic<int> units_[kStages] = {};
  std::atomic<int> stages_ = 0;
  std::atomic<bool> stop_ = false;
  Function function_;  // of the present call: read by those who have taken a unit of it
  alignas(64) std::atomic<uint32_t> call_ = 0;
  std::vector<std::thread> workers_;
};

}  // namespace langevin::runtime
