#include "langevin/kernels/cuda/group_norm_silu.h"

#include "langevin/kernels/cuda/group_norm_plan.h"

namespace langevin::cuda {
namespace {

/// Of one group in one chunk; the chunks' are joined as in Chan, Golub & LeVeque 1983, eq. 2.1.
struct Moments {
  float mean, squares;  // squares: the sum of (x - mean)^2
};

/// Shared memory of the blocks that write: mean and rstd of every group, each thread's share of a sum.
__device__ inline float* mean_of_groups() { return shared_memory<float>() + 2 * kThreads; }
__device__ inline double* shares_of_threads() { return shared_memory<double>(); }
size_t apply_bytes(const NormPlan& p) {
  return sizeof(double) * kThreads + sizeof(float) * 2 * static_cast<size_t>(p.groups);
}
template <int V>
size_t gather_bytes(const NormPlan& p) {
  return sizeof(float) * (kGatherFloats<V> + 2 * static_cast<size_t>(p.groups));
}

/// The value a group's sums are taken about: one of its own, so that a large mean does not swamp them.
template <class T>
__device__ inline float pivot_of(const NormPlan& p, const GroupNormForward<T>& arrays, int64_t n,
                                 int64_t position, int group) {
  const int channel = group * p.size;
  return load_one(arrays.x + (n * p.hw + position) * p.c + channel) + added_at(arrays, n, channel);
}

template <class T, int V>
__device__ void gather(const NormPlan& p, const GroupNormForward<T>& arrays, int64_t n, int chunk,
                       Moments* moments) {
  const T* x = arrays.x + n * p.hw * p.c;
  float* scratch = shared_memory<float>();
  float* shares = scratch + 2 * kThreads * V;
  float* sums = shares + 2 * kThreads;
  const Chunk positions = chunk_of(p, chunk);
  const int thread = static_cast<int>(threadIdx.x);
  for (int i = thread; i < 2 * p.groups; i += kThreads) sums[i] = 0;
  for (int first = 0; first < p.columns; first += p.tile) {
    const Place at = place_in<V>(p, first);
    float a[V] = {}, b[V] = {}, pivot[V] = {};
    if (at.active) {
      for (int v = 0; v < V; ++v)
        pivot[v] = pivot_of(p, arrays, n, positions.first, (at.channel + v) / p.size) -
                   added_at(arrays, n, at.channel + v);
      for (int64_t position = positions.first + at.row; position < positions.last; position += p.rows) {
        float values[V];
        load<V>(x + position * p.c + at.channel, values);
        for (int v = 0; v < V; ++v) {
          const float d = values[v] - pivot[v];
          a[v] += d;
          b[v] += d * d;
        }
      }
    }
    put_sums<V>(scratch, at, p.tile * V, a, b);
    const int end = first + p.tile < p.columns ? first + p.tile : p.columns;
    add_up(p, scratch, shares, p.tile * V, first * V, end * V, p.size, p.lanes,
           [&](int group, float s, float s2) {
             sums[2 * group] += s;
             sums[2 * group + 1] += s2;
           });
  }
  const double count = static_cast<double>(positions.last - positions.first) * p.size;
  for (int group = thread; group < p.groups; group += kThreads) {
    const double offset = sums[2 * group] / count;
    const double squares = sums[2 * group + 1] - offset * sums[2 * group];
    moments[group] = {static_cast<float>(pivot_of(p, arrays, n, positions.first, group) + offset),
                      static_cast<float>(squares < 0 ? 0 : squares)};  // keeps NaN
  }
}

/// Calls term(chunk, group) for every chunk and adds up, for each group: take(group, sum), by one thread.
template <class Term, class Take>
__device__ inline void add_chunks(const NormPlan& p, const Term& term, const Take& take) {
  double* shares = shares_of_threads();
  const int thread = static_cast<int>(threadIdx.x), slot = thread / p.lanes, lane = thread % p.lanes;
  for (int base = 0; base < p.groups; base += kThreads / p.lanes) {
    const int group = base + slot;
    double sum = 0;
    for (int chunk = lane; chunk < p.chunks && group < p.groups; chunk += p.lanes) sum += term(chunk, group);
    shares[thread] = sum;
    __syncthreads();
    if (lane == 0 && group < p.groups) {
      for (int other = 1; other < p.lanes; ++other) sum += shares[thread + other];
      take(group, sum);
    }
    __syncthreads();
  }
}

/// Mean and rstd of every group into shared memory.
__device__ void settle(const NormPlan& p, const Moments* moments) {
  float* mean = mean_of_groups();
  float* rstd = mean + p.groups;
  const double all = static_cast<double>(p.hw);
  const auto weight = [&](int chunk) {
    const Chunk positions = chunk_of(p, chunk);
    return static_cast<double>(positions.last - positions.first);
  };
  add_chunks(
      p, [&](int chunk, int group) { return weight(chunk) * moments[chunk * p.groups + group].mean; },
      [&](int group, double sum) { mean[group] = static_cast<float>(sum / all); });
  add_chunks(
      p,
      [&](int chunk, int group) {
        const Moments own = moments[chunk * p.groups + group];
        const double apart = static_cast<double>(own.mean) - static_cast<double>(mean[group]);
        return own.squares + weight(chunk) * p.size * apart * apart;
      },
      [&](int group, double sum) {
        rstd[group] = static_cast<float>(1 / sqrt(sum / (all * p.size) + static_cast<double>(p.eps)));
      });
}

template <class T, int V>
__device__ void write(const NormPlan& p, const GroupNormForward<T>& arrays, const Mask& mask, int64_t n,
                      int chunk) {
  const float* mean = mean_of_groups();
  const float* rstd = mean + p.groups;
  const Chunk positions = chunk_of(p, chunk);
  const int64_t sample = n * p.hw * p.c;
  if (chunk == 0) {
    for (int group = static_cast<int>(threadIdx.x); group < p.groups; group += kThreads) {
      if (arrays.mean != nullptr) arrays.mean[n * p.groups + group] = mean[group];
      if (arrays.rstd != nullptr) arrays.rstd[n * p.groups + group] = rstd[group];
    }
  }
  for (int first = 0; first < p.columns; first += p.tile) {
    const Place at = place_in<V>(p, first);
    if (!at.active) continue;
    Affine affine[V];
    for (int v = 0; v < V; ++v) {
      const int group = (at.channel + v) / p.size;
      affine[v] = affine_of(arrays, n, at.channel + v, mean[group] - added_at(arrays, n, at.channel + v),
                            rstd[group]);
    }
    for (int64_t position = positions.first + at.row; position < positions.last; position += p.rows) {
      const int64_t element = position * p.c + at.channel;
      float values[V];
      load<V>(arrays.x + sample + element, values);
      for (int v = 0; v < V; ++v) {
        const float z = affine[v].slope * values[v] + affine[v].offset;
        values[v] = p.silu ? silu_of(z).value : z;
      }
      drop<V>(mask, n, element, values);
      store<V>(values, arrays.y + sample + element);
    }
  }
}

template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    gather_kernel(NormPlan p, GroupNormForward<T> arrays, Moments* moments) {
  const int64_t n = blockIdx.x / p.chunks;
  const int chunk = static_cast<int>(blockIdx.x % p.chunks);
  gather<T, V>(p, arrays, n, chunk, moments + static_cast<int64_t>(blockIdx.x) * p.groups);
}

template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    write_kernel(NormPlan p, GroupNormForward<T> arrays, Mask mask, const Moments* moments) {
  const int64_t n = blockIdx.x / p.chunks;
  settle(p, moments + n * p.chunks * p.groups);
  write<T, V>(p, arrays, mask, n, static_cast<int>(blockIdx.x % p.chunks));
}

/// Samples of one chunk: all in one launch.
template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    whole_kernel(NormPlan p, GroupNormForward<T> arrays, Mask mask, Moments* moments) {
  const int64_t n = blockIdx.x;
  Moments* own = moments + n * p.groups;
  gather<T, V>(p, arrays, n, 0, own);
  __syncthreads();
  settle(p, own);
  write<T, V>(p, arrays, mask, n, 0);
}

template <class T, int V>
void start(const NormPlan& p, const GroupNormForward<T>& arrays, const Mask& mask, Stream stream) {
  const char* const function = "group_norm_silu";
  auto* moments = static_cast<Moments*>(arrays.workspace);
  const int64_t blocks = p.n * p.chunks;
  if (p.chunks == 1) {
    launch(function, whole_kernel<T, V>, blocks, kThreads, std::max(gather_bytes<V>(p), apply_bytes(p)),
           stream, p, arrays, mask, moments);
    return;
  }
  launch(function, gather_kernel<T, V>, blocks, kThreads, gather_bytes<V>(p), stream, p, arrays, moments);
  launch(function, write_kernel<T, V>, blocks, kThreads, apply_bytes(p), stream, p, arrays, mask, moments);
}

template <class T>
void forward(const GroupNormShape& s, const GroupNormForward<T>& arrays, const DropoutMask& dropout,
             Stream stream) {
  const char* const function = "group_norm_silu";
  check_norm(s, function);
  require(arrays.x != nullptr && arrays.y != nullptr && arrays.workspace != nullptr, function,
          "x, y and workspace must not be null");
  const Mask mask = mask_of(dropout, s.n);
  if (s.c % kVector == 0 && vectors_at(arrays.x) && vectors_at(arrays.y)) {
    start<T, kVector>(plan_norm(s, kVector), arrays, mask, stream);
  } else {
    start<T, 1>(plan_norm(s, 1), arrays, mask, stream);
  }
}

}  // namespace

void group_norm_silu(const GroupNormShape& shape, const GroupNormForward<float>& arrays,
                     const DropoutMask& mask, Stream stream) {
  forward(shape, arrays, mask, stream);
}
void group_norm_silu(const GroupNormShape& shape, const GroupNormForward<BF16>& arrays,
                     const DropoutMask& mask, Stream stream) {
  forward(shape, arrays, mask, stream);
}

}  // namespace langevin::cuda
