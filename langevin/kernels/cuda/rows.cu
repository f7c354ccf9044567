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
    const float* row = call.row + i / (call.hw * call.c) * call.stride + i % call.c;
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
  const bool wide = call.c % kVector == 0 && vectors_at(call.x) && vectors_at(call.z) && vectors_at(call.y);
  const int64_t threads = call.n * call.hw * call.c / (wide ? kVector : 1);
  const int64_t blocks = (threads + kThreads - 1) / kThreads;
  if (wide) {
    launch("add", add_kernel<T, kVector>, blocks, kThreads, 0, stream, call);
  } else {
    launch("add", add_kernel<T, 1>, blocks, kThreads, 0, stream, call);
  }
}

/// A block adds the positions of one chunk for up to 32 channels: 8 threads a channel.
constexpr int kChannels = 32;
constexpr int64_t kMostChunks = 64;

struct SumsPlan {
  int64_t n, hw, chunk_hw;
  int c, tiles, chunks;
};
SumsPlan plan_sums(int64_t n, int64_t hw, int64_t c) {
  SumsPlan p{n, hw, std::max<int64_t>(256, (hw + kMostChunks - 1) / kMostChunks), static_cast<int>(c), 0, 0};
  p.tiles = static_cast<int>((c + kChannels - 1) / kChannels);
  p.chunks = static_cast<int>(std::max<int64_t>(1, (hw + p.chunk_hw - 1) / p.chunk_hw));
  return p;
}

template <class T>
__global__ void __launch_bounds__(kThreads) chunk_sums_kernel(SumsPlan p, const T* x, float* sums) {
  float* shares = shared_memory<float>();
  const int thread = static_cast<int>(threadIdx.x), parts = kThreads / kChannels, part = thread / kChannels;
  const int64_t block = blockIdx.x / p.tiles;  // (sample, chunk)
  const int channel = static_cast<int>(blockIdx.x % p.tiles) * kChannels + thread % kChannels;
  const int64_t n = block / p.chunks, begin = block % p.chunks * p.chunk_hw;
  const int64_t end = begin + p.chunk_hw < p.hw ? begin + p.chunk_hw : p.hw;
  float sum = 0;
  for (int64_t position = begin + part; channel < p.c && position < end; position += parts)
    sum += load_one(x + (n * p.hw + position) * p.c + channel);
  shares[thread] = sum;
  __syncthreads();
  if (part != 0 || channel >= p.c) return;
  for (int other = 1; other < parts; ++other) sum += shares[thread + other * kChannels];
  sums[block * p.c + channel] = sum;
}

__global__ void __launch_bounds__(kThreads) join_sums_kernel(SumsPlan p, const float* chunks, float* sums) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= p.n * p.c) return;
  const int64_t n = i / p.c, channel = i % p.c;
  double sum = 0;
  for (int chunk = 0; chunk < p.chunks; ++chunk) sum += chunks[(n * p.chunks + chunk) * p.c + channel];
  sums[i] = static_cast<float>(sum);
}

template <class T>
void sums_of(const ChannelSums<T>& call, Stream stream) {
  const char* const function = "channel_sums";
  check_sizes(function, call.n, call.hw, call.c);
  const SumsPlan p = plan_sums(call.n, call.hw, call.c);
  const int64_t blocks = p.n * p.chunks * p.tiles;
  require(blocks < kMostBlocks, function, "so many channels of samples are too many for one call");
  float* chunks = p.chunks == 1 ? call.sums : call.workspace;
  launch(function, chunk_sums_kernel<T>, blocks, kThreads, sizeof(float) * kThreads, stream, p, call.x,
         chunks);
  if (p.chunks == 1) return;
  launch(function, join_sums_kernel, (p.n * p.c + kThreads - 1) / kThreads, kThreads, 0, stream, p, chunks,
         call.sums);
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
  const SumsPlan p = plan_sums(n, hw, c);
  return p.n * p.chunks * p.c;
}

}  // namespace langevin::cuda
