// How forward and backward cut a GroupNorm up, and the sums they share. Internal to this folder.
//
// A sample's positions are cut into chunks, a block works on one chunk of one sample. Its threads stand in
// `rows` rows of `tile` columns: a column is V adjacent channels, a row a position, so that neighbours read
// neighbouring memory. Rows beyond the channels' width are walked tile by tile.
#pragma once

#include <algorithm>
#include <limits>

#include "langevin/kernels/cuda/mask.h"
#include "langevin/kernels/group_norm_silu.h"

namespace langevin::cuda {

inline constexpr int kThreads = 256;
inline constexpr int64_t kChunkElements = 16384;
inline constexpr int64_t kMostChunks = 256;  // of a sample: each block reads the sums of all
inline constexpr int kMostGroups = 2048;     // a block keeps two floats of each
inline constexpr int kWidestGroup = 4096;    // channels; a block that settles keeps two floats of each
inline constexpr int kSettled = 64;          // channels of one block of the backward pass's settling

struct NormPlan {
  int64_t n = 0, hw = 0, chunk_hw = 0;
  int c = 0, groups = 0, size = 0;  // size: channels of a group
  int columns = 0, tile = 0, rows = 0;
  int chunks = 0;
  int lanes = 1;  // threads that share the sums of one group, a power of two
  int settled_groups = 1, settled_blocks = 1;
  float eps = 0;
  bool silu = false;
};

constexpr int lanes_for(int items) {
  int lanes = 1;
  while (lanes < 32 && 2 * lanes * items <= kThreads) lanes *= 2;
  return lanes;
}

inline void check_norm(const GroupNormShape& s, const char* function) {
  const auto n = static_cast<double>(s.n), hw = static_cast<double>(s.hw), c = static_cast<double>(s.c);
  const auto groups = static_cast<double>(s.groups);
  require(s.n >= 1 && s.hw >= 1 && s.c >= 1, function, "n, hw and c must be at least 1", {n, hw, c});
  require(s.groups >= 1 && s.c % s.groups == 0, function, "groups must divide the channels", {groups, c});
  require(s.eps > 0, function, "eps must be above 0", {static_cast<double>(s.eps)});
  require(s.groups <= kMostGroups && s.c / s.groups <= kWidestGroup, function,
          "takes at most 2048 groups of at most 4096 channels", {groups, c / groups});
  const int64_t limit = std::numeric_limits<int64_t>::max() / 64;
  require(s.hw <= limit / s.c && s.n <= limit / (s.hw * s.c) && s.n < (int64_t{1} << 31) / kMostChunks,
          function, "so many samples, positions and channels are too many for one call", {n, hw, c});
}

inline NormPlan plan_norm(const GroupNormShape& s, int vector) {
  NormPlan p;
  p.n = s.n;
  p.hw = s.hw;
  p.c = static_cast<int>(s.c);
  p.groups = static_cast<int>(s.groups);
  p.size = p.c / p.groups;
  p.columns = p.c / vector;
  p.tile = std::min(p.columns, kThreads);
  p.rows = kThreads / p.tile;
  const int64_t wanted = std::max<int64_t>(1, kChunkElements / s.c);
  p.chunk_hw = std::max(wanted, (s.hw + kMostChunks - 1) / kMostChunks);
  p.chunks = static_cast<int>((s.hw + p.chunk_hw - 1) / p.chunk_hw);
  p.lanes = lanes_for(p.groups);
  p.settled_groups = std::min(p.groups, std::max(1, kSettled / p.size));
  p.settled_blocks = (p.groups + p.settled_groups - 1) / p.settled_groups;
  p.eps = s.eps;
  p.silu = s.activation == Activation::silu;
  return p;
}

/// The positions of one chunk.
struct Chunk {
  int64_t first, last;
};
__device__ inline Chunk chunk_of(const NormPlan& p, int chunk) {
  const int64_t first = chunk * p.chunk_hw, end = first + p.chunk_hw;
  return {first, end < p.hw ? end : p.hw};
}

/// Where a thread stands in the tile that begins at column `first`.
struct Place {
  bool active;
  int row, channel, in_tile;  // channel: the first of its V; in_tile: the same within the tile
};
template <int V>
__device__ inline Place place_in(const NormPlan& p, int first) {
  const int thread = static_cast<int>(threadIdx.x);
  const int column = first + thread % p.tile, row = thread / p.tile;
  return {row < p.rows && column < p.columns, row, column * V, (column - first) * V};
}

/// Shared memory of a block that gathers: each thread's 2 V sums, then each thread's share of two sums.
template <int V>
inline constexpr size_t kGatherFloats = 2 * kThreads* V + 2 * kThreads;

template <int V>
__device__ inline void put_sums(float* scratch, const Place& at, int width, const float (&a)[V],
                                const float (&b)[V]) {
  if (!at.active) return;
  for (int v = 0; v < V; ++v) {
    scratch[2 * at.row * width + at.in_tile + v] = a[v];
    scratch[(2 * at.row + 1) * width + at.in_tile + v] = b[v];
  }
}

/// What lies in `scratch` after put_sums(), added over the rows and over runs of `size` channels: take(run,
/// a, b) is called by one thread for each run that has channels in [begin, end). To be called by all threads.
template <class Take>
__device__ inline void add_up(const NormPlan& p, const float* scratch, float* shares, int width, int begin,
                              int end, int size, int lanes, const Take& take) {
  const int thread = static_cast<int>(threadIdx.x), slot = thread / lanes, lane = thread % lanes;
  const int last = (end - 1) / size;
  __syncthreads();
  for (int base = begin / size; base <= last; base += kThreads / lanes) {
    const int run = base + slot;
    float a = 0, b = 0;
    if (run <= last) {
      const int from = (run * size > begin ? run * size : begin) - begin;
      const int to = ((run + 1) * size < end ? (run + 1) * size : end) - begin;
      const int count = to - from;
      for (int i = lane; i < p.rows * count; i += lanes) {
        const float* at = scratch + 2 * (i / count) * width + from + i % count;
        a += at[0];
        b += at[width];
      }
    }
    shares[2 * thread] = a;
    shares[2 * thread + 1] = b;
    __syncthreads();
    if (lane == 0 && run <= last) {
      for (int other = 1; other < lanes; ++other) {
        a += shares[2 * (thread + other)];
        b += shares[2 * (thread + other) + 1];
      }
      take(run, a, b);
    }
    __syncthreads();
  }
}

/// What is added to a channel of x before all else.
template <class Arrays>
__device__ inline float added_at(const Arrays& arrays, int64_t n, int channel) {
  return arrays.added == nullptr ? 0.0F : arrays.added[n * arrays.added_stride + channel];
}

/// z = slope x + offset, of one channel; `mean` is less what is added to the channel. Arrays that are absent
/// are null.
struct Affine {
  float slope, offset;
};
template <class Arrays>
__device__ inline Affine affine_of(const Arrays& arrays, int64_t n, int channel, float mean, float rstd) {
  const int64_t row = n * arrays.modulation_stride + channel;
  const float gain = arrays.scale == nullptr ? 1.0F : 1.0F + arrays.scale[row];
  const float shift = arrays.shift == nullptr ? 0.0F : arrays.shift[row];
  const float slope = arrays.gamma == nullptr ? rstd : rstd * arrays.gamma[channel];
  const float beta = arrays.beta == nullptr ? 0.0F : arrays.beta[channel];
  return {slope * gain, (beta - mean * slope) * gain + shift};
}

}  // namespace langevin::cuda
