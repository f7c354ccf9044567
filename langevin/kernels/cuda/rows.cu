#include "langevin/kernels/cuda/rows.h"

#include <algorithm>
#include <cmath>

#include "langevin/kernels/cuda/vectors.h"

namespace langevin::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMostBlocks = int64_t{1} << 31;

void check_sizes(const char* function, int64_t n, int64_t hw, int64_t c) {
  const std::initializer_list<double> sizes{static_cast<double>(n), static_cast<double>(hw),
                                            static_cast<double>(c)};
  require(n >= 0 && hw >= 0 && c >= 1 && c < kMostBlocks, function, "n, hw and c must be in range", sizes);
  require(hw <= (kMostBlocks - 1) * kThreads / c && (hw == 0 || n <= (kMostBlocks - 1) * kThreads / (hw * c)),
          function, "so many samples, positions and channels are too many for one call", sizes);
}

template <class T, int V>
__global__ void __launch_bounds__(kThreads) add_kernel(Add<T> call) {
  const int64_t i = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * V;
  if (i >= call.n * call.hw * call.c) return;
  float values[V];
  load<V>(call.x + i, values);
  if (call.row != nullptr) {
    float row[V];
    load<V>(call.row + i / (call.hw * call.c) * call.stride + i % call.c, row);
    for (int v = 0; v < V; ++v) values[v] += row[v];
  }
  if (call.z != nullptr) {
    float other[V];
    load<V>(call.z + i, other);
    for (int v = 0; v < V; ++v) values[v] += other[v];
  }
  for (int v = 0; v < V; ++v) values[v] *= call.scale;
  store<V>(values, call.y + i);
}

template <class T>
void add_of(const Add<T>& call, Stream stream) {
  check_sizes("add", call.n, call.hw, call.c);
  const bool wide = call.c % kVector == 0 && call.stride % kVector == 0 && vectors_at(call.x) &&
                    vectors_at(call.row) && vectors_at(call.z) && vectors_at(call.y);
  const int64_t threads = call.n * call.hw * call.c / (wide ? kVector : 1);
  const int64_t blocks = (threads + kThreads - 1) / kThreads;
  if (wide) {
    launch("add", add_kernel<T, kVector>, blocks, kThreads, 0, stream, call);
  } else {
    launch("add", add_kernel<T, 1>, blocks, kThreads, 0, stream, call);
  }
}

/// A block adds up one chunk of a sample's positions. Its threads stand in rows of `tile` columns of V
/// channels, as in group_norm_plan.h.
constexpr int64_t kChunkElements = 16384;
constexpr int64_t kMostChunks = 256;

struct SumsPlan {
  int64_t n, hw, chunk_hw;
  int c, columns, tile, rows, chunks;
};
SumsPlan plan_sums(int64_t n, int64_t hw, int64_t c, int vector) {
  SumsPlan p{};
  p.n = n;
  p.hw = hw;
  p.c = static_cast<int>(c);
  p.columns = p.c / vector;
  p.tile = std::min(p.columns, kThreads);
  p.rows = kThreads / p.tile;
  p.chunk_hw = std::max({int64_t{1}, kChunkElements / c, (hw + kMostChunks - 1) / kMostChunks});
  p.chunks = static_cast<int>(std::max<int64_t>(1, (hw + p.chunk_hw - 1) / p.chunk_hw));
  return p;
}

template <class T, int V>
__global__ void __launch_bounds__(kThreads) chunk_sums_kernel(SumsPlan p, const T* x, float* sums) {
  float* scratch = shared_memory<float>();  // (row, channel of the tile)
  const int thread = static_cast<int>(threadIdx.x), row = thread / p.tile, width = p.tile * V;
  const int64_t block = blockIdx.x;  // (sample, chunk)
  const int64_t n = block / p.chunks, begin = block % p.chunks * p.chunk_hw;
  const int64_t end = begin + p.chunk_hw < p.hw ? begin + p.chunk_hw : p.hw;
  for (int first = 0; first < p.columns; first += p.tile) {
    const int column = first + thread % p.tile;
    if (row < p.rows && column < p.columns) {
      float sum[V] = {};
      for (int64_t position = begin + row; position < end; position += p.rows) {
        float values[V];
        load<V>(x + (n * p.hw + position) * p.c + column * V, values);
        for (int v = 0; v < V; ++v) sum[v] += values[v];
      }
      for (int v = 0; v < V; ++v) scratch[row * width + (column - first) * V + v] = sum[v];
    }
    __syncthreads();
    for (int i = thread; i < width && first * V + i < p.c; i += kThreads) {
      float sum = 0;
      for (int other = 0; other < p.rows; ++other) sum += scratch[other * width + i];
      sums[block * p.c + first * V + i] = sum;
    }
    __syncthreads();
  }
}

constexpr int kJoined = 32;  // channels of one block that joins the chunks: 8 threads a channel

template <class T>
__global__ void __launch_bounds__(kThreads) join_sums_kernel(SumsPlan p, const float* chunks, T* sums) {
  float* shares = shared_memory<float>();
  const int thread = static_cast<int>(threadIdx.x), part = thread / kJoined, parts = kThreads / kJoined;
  const int tiles = (p.c + kJoined - 1) / kJoined;
  const int64_t n = blockIdx.x / tiles;
  const int channel = static_cast<int>(blockIdx.x % tiles) * kJoined + thread % kJoined;
  float sum = 0;
  for (int chunk = part; channel < p.c && chunk < p.chunks; chunk += parts)
    sum += chunks[(n * p.chunks + chunk) * p.c + channel];
  shares[thread] = sum;
  __syncthreads();
  if (part != 0 || channel >= p.c) return;
  for (int other = 1; other < parts; ++other) sum += shares[thread + other * kJoined];
  const float total[1] = {sum};
  store<1>(total, sums + n * p.c + channel);
}

template <class T>
void sums_of(const ChannelSums<T>& call, Stream stream) {
  const char* const function = "channel_sums";
  check_sizes(function, call.n, call.hw, call.c);
  const bool wide = call.c % kVector == 0 && vectors_at(call.x);
  const SumsPlan p = plan_sums(call.n, call.hw, call.c, wide ? kVector : 1);
  const int64_t tiles = (p.c + kJoined - 1) / kJoined;
  require(p.n * std::max<int64_t>(p.chunks, tiles) < kMostBlocks, function,
          "so many samples and channels are too many for one call");
  if (wide) {
    launch(function, chunk_sums_kernel<T, kVector>, p.n * p.chunks, kThreads,
           sizeof(float) * kThreads * kVector, stream, p, call.x, call.workspace);
  } else {
    launch(function, chunk_sums_kernel<T, 1>, p.n * p.chunks, kThreads, sizeof(float) * kThreads, stream, p,
           call.x, call.workspace);
  }
  launch(function, join_sums_kernel<T>, p.n * tiles, kThreads, sizeof(float) * kThreads, stream, p,
         call.workspace, call.sums);
}

template <class T>
__global__ void __launch_bounds__(kThreads) features_kernel(TimestepFeatures<T> call, float exponent) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= call.n * call.dim) return;
  const int64_t half = call.dim / 2, feature = i % call.dim;
  float value[1] = {0};
  if (feature < 2 * half) {
    const float angle = call.t[i / call.dim] * expf(static_cast<float>(feature % half) * exponent);
    const bool cosine = (feature >= half) != call.flip_sin_to_cos;
    value[0] = cosine ? cosf(angle) : sinf(angle);
  }
  store<1>(value, call.y + i);
}

template <class T>
void features_of(const TimestepFeatures<T>& call, Stream stream) {
  check_sizes("timestep_features", call.n, 1, std::max<int64_t>(call.dim, 1));
  const double half = static_cast<double>(call.dim / 2);
  const auto exponent = static_cast<float>(-std::log(call.max_period) / (half - call.freq_shift));
  launch("timestep_features", features_kernel<T>, (call.n * call.dim + kThreads - 1) / kThreads, kThreads, 0,
         stream, call, exponent);
}

}  // namespace

void add(const Add<float>& call, Stream stream) { add_of(call, stream); }
void add(const Add<BF16>& call, Stream stream) { add_of(call, stream); }
void channel_sums(const ChannelSums<float>& call, Stream stream) { sums_of(call, stream); }
void channel_sums(const ChannelSums<BF16>& call, Stream stream) { sums_of(call, stream); }
void timestep_features(const TimestepFeatures<float>& call, Stream stream) { features_of(call, stream); }
void timestep_features(const TimestepFeatures<BF16>& call, Stream stream) { features_of(call, stream); }

int64_t channel_sums_workspace(int64_t n, int64_t hw, int64_t c) {
  check_sizes("channel_sums_workspace", n, hw, c);
  const SumsPlan p = plan_sums(n, hw, c, 1);
  return p.n * p.chunks * p.c;
}

}  // namespace langevin::cuda
