// Many arrays in one launch: a kernel's parameter holds a few dozen of them, and a block finds its own.
// Internal to this folder.
#pragma once

#include <algorithm>
#include <span>

#include "langevin/kernels/cuda/device.h"

namespace langevin::cuda {

inline constexpr int kSegments = 48;  // of one launch: with seven pointers each under the limit of 4 KB
inline constexpr int64_t kSegmentWork = 8192;  // elements of one block

/// Up to kSegments arrays, and the blocks that work on each: segment i has blocks first[i] .. first[i + 1]
/// - 1.
template <class S>
struct Segments {
  S items[kSegments];
  uint32_t first[kSegments + 1];
  int count;
};

struct Share {
  int segment;
  int64_t begin;  // the first of this block's elements
};
template <class S>
__device__ inline Share share_of(const Segments<S>& s, uint32_t block) {
  int low = 0, high = s.count;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (s.first[middle] <= block) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return {low, static_cast<int64_t>(block - s.first[low]) * kSegmentWork};
}

inline int64_t blocks_of(int64_t n) { return (n + kSegmentWork - 1) / kSegmentWork; }

/// Calls start(segments, blocks) for the arrays, kSegments at a time; empty ones are left out.
template <class S, class Start>
void each_launch(const char* function, std::span<const S> arrays, const Start& start) {
  Segments<S> segments{};
  int64_t blocks = 0;
  const auto flush = [&] {
    segments.first[segments.count] = static_cast<uint32_t>(blocks);
    if (segments.count > 0) start(segments, blocks);
    segments.count = 0;
    blocks = 0;
  };
  for (const S& array : arrays) {
    require(array.n >= 0 && blocks_of(array.n) < int64_t{1} << 30, function,
            "an array's length is out of range", {static_cast<double>(array.n)});
    if (array.n == 0) continue;
    if (segments.count == kSegments || blocks + blocks_of(array.n) >= int64_t{1} << 31) flush();
    segments.items[segments.count] = array;
    segments.first[segments.count++] = static_cast<uint32_t>(blocks);
    blocks += blocks_of(array.n);
  }
  flush();
}

}  // namespace langevin::cuda
