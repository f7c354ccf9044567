// The kernels' view of OpenMP. Work is cut into chunks of a fixed size, never by the number of threads, so
// that a sum is added in the same order for any number of them.
#pragma once

#include <algorithm>
#include <cstdint>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace langevin {

#ifdef _OPENMP
inline int max_threads() { return std::max(1, omp_get_max_threads()); }
inline int thread_index() { return omp_get_thread_num(); }
inline void set_threads(int threads) { omp_set_num_threads(threads); }
#else
inline int max_threads() { return 1; }
inline int thread_index() { return 0; }
inline void set_threads(int) {}
#endif

/// Sets the number of threads for as long as it lives, for the calling thread.
class ThreadLimit {
 public:
  explicit ThreadLimit(int threads) : before_(max_threads()) { set_threads(threads); }
  ~ThreadLimit() { set_threads(before_); }
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  int before_;
};

/// Elements of one task of an elementwise pass: a few microseconds of work, and its arrays stay in the L1/L2
/// cache.
inline constexpr int64_t kChunk = 16384;

/// Threads worth waking for `elements` of work.
inline int threads_for(int64_t elements) { return elements <= 2 * kChunk ? 1 : max_threads(); }

/// Calls work(index, thread) for every index below count, on up to `threads` threads. `work` must not throw.
template <class Work>
void parallel_for(int64_t count, int threads, const Work& work) {
  if (threads <= 1 || count <= 1) {
    for (int64_t i = 0; i < count; ++i) work(i, 0);
    return;
  }
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t i = 0; i < count; ++i) work(i, thread_index());
}

/// Calls work(begin, count) for every kChunk-sized piece of n elements.
template <class Work>
void parallel_chunks(int64_t n, const Work& work) {
  parallel_for((n + kChunk - 1) / kChunk, threads_for(n),
               [&](int64_t chunk, int) { work(chunk * kChunk, std::min(kChunk, n - chunk * kChunk)); });
}

}  // namespace langevin
