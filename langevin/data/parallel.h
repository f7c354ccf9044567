// A loop over independent items on plain threads.
#pragma once

#include <cstdint>
#include <functional>

namespace langevin {

/// body(i) once for every 0 <= i < n, on `threads` threads (0: one a core), in no particular order. The
/// exception of the smallest i that threw is rethrown when all threads have ended; items not yet begun are
/// then left out.
void parallel_for(int64_t n, int64_t threads, const std::function<void(int64_t)>& body);

/// `threads`, or the number of cores where it is 0; at least 1.
int64_t resolve_threads(int64_t threads);

}  // namespace langevin
