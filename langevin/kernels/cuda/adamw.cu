#include "langevin/kernels/cuda/adamw.h"

#include <cmath>

#include "langevin/kernels/cuda/segments.h"
#include "langevin/kernels/cuda/vectors.h"

namespace langevin::cuda {
namespace {

constexpr int kThreads = 256;

/// The options' constants, combined in double and rounded once.
struct Constants {
  float multiplier, one_minus_beta1, beta2, one_minus_beta2, decay, step, inverse_sqrt_bias2, eps,
      one_minus_ema;
};

Constants constants_of(const AdamWOptions& o) {
  require(o.bias1 > 0 && o.bias2 > 0, "adamw_step", "bias1 and bias2 must be above 0", {o.bias1, o.bias2});
  return {static_cast<float>(o.gradient_multiplier),
          static_cast<float>(1 - o.beta1),
          static_cast<float>(o.beta2),
          static_cast<float>(1 - o.beta2),
          static_cast<float>(1 - o.lr * o.weight_decay),
          static_cast<float>(o.lr / o.bias1),
          static_cast<float>(1 / std::sqrt(o.bias2)),
          static_cast<float>(o.eps),
          static_cast<float>(1 - o.ema_decay)};
}

/// Elements i .. i + V - 1.
template <class G, int V>
__device__ inline void update(const AdamWArrays<G>& p, const Constants& k, int64_t i) {
  float g[V], m[V], v[V], w[V];
  load<V>(p.gradient + i, g);
  load<V>(p.m + i, m);
  load<V>(p.v + i, v);
  load<V>(p.weight + i, w);
  for (int e = 0; e < V; ++e) {
    const float scaled = g[e] * k.multiplier;
    m[e] += (scaled - m[e]) * k.one_minus_beta1;
    v[e] = v[e] * k.beta2 + scaled * scaled * k.one_minus_beta2;
    const float root = sqrtf(v[e]) * k.inverse_sqrt_bias2 + k.eps;
    w[e] = w[e] * k.decay - k.step * m[e] / root;
  }
  store<V>(m, p.m + i);
  store<V>(v, p.v + i);
  store<V>(w, p.weight + i);
  if (p.weight_bf16 != nullptr) store<V>(w, p.weight_bf16 + i);
  if (p.ema == nullptr) return;
  float ema[V];
  load<V>(p.ema + i, ema);
  for (int e = 0; e < V; ++e) ema[e] += (w[e] - ema[e]) * k.one_minus_ema;
  store<V>(ema, p.ema + i);
}

/// The elements of a block: whole vectors first if the arrays allow them, single elements after.
template <class Wide, class Single>
__device__ inline void each_element(const Share& share, int64_t n, bool wide, const Wide& vector,
                                    const Single& single) {
  const int64_t end = share.begin + kSegmentWork < n ? share.begin + kSegmentWork : n;
  int64_t scalars = share.begin;
  if (wide) {
    scalars = end - (end - share.begin) % kVector;
    for (int64_t i = share.begin + static_cast<int64_t>(threadIdx.x) * kVector; i < scalars;
         i += kThreads * kVector)
      vector(i);
  }
  for (int64_t i = scalars + threadIdx.x; i < end; i += kThreads) single(i);
}

__device__ inline bool starts_vectors(const void* address) {
  return reinterpret_cast<uintptr_t>(address) % 16 == 0;
}

template <class G>
__global__ void __launch_bounds__(kThreads)
    adamw_kernel(const Segments<AdamWArrays<G>> segments, Constants k) {
  const Share share = share_of(segments, blockIdx.x);
  const AdamWArrays<G>& p = segments.items[share.segment];
  const bool wide = starts_vectors(p.gradient) && starts_vectors(p.weight) && starts_vectors(p.m) &&
                    starts_vectors(p.v) && starts_vectors(p.ema) && starts_vectors(p.weight_bf16);
  each_element(
      share, p.n, wide, [&](int64_t i) { update<G, kVector>(p, k, i); },
      [&](int64_t i) { update<G, 1>(p, k, i); });
}

template <class G>
void adamw(std::span<const AdamWArrays<G>> arrays, const AdamWOptions& options, Stream stream) {
  const Constants constants = constants_of(options);
  each_launch("adamw_step", arrays, [&](const Segments<AdamWArrays<G>>& segments, int64_t blocks) {
    launch("adamw_step", adamw_kernel<G>, blocks, kThreads, 0, stream, segments, constants);
  });
}

/// The block's sum of each thread's value, in the first thread: pairs, then pairs of pairs.
__device__ inline double add_threads(double value) {
  double* shares = shared_memory<double>();
  const int thread = static_cast<int>(threadIdx.x);
  shares[thread] = value;
  for (int half = kThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (thread < half) shares[thread] += shares[thread + half];
  }
  return shares[0];
}

template <class T>
__global__ void __launch_bounds__(kThreads) squares_kernel(const Segments<Values<T>> segments, double* sums) {
  const Share share = share_of(segments, blockIdx.x);
  const Values<T>& values = segments.items[share.segment];
  double sum = 0;
  const auto add = [&](float x) { sum += static_cast<double>(x) * static_cast<double>(x); };
  each_element(
      share, values.n, starts_vectors(values.data),
      [&](int64_t i) {
        float x[kVector];
        load<kVector>(values.data + i, x);
        for (int e = 0; e < kVector; ++e) add(x[e]);
      },
      [&](int64_t i) { add(load_one(values.data + i)); });
  sum = add_threads(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(kThreads) total_kernel(const double* sums, int64_t count, double* total) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += kThreads) sum += sums[i];
  sum = add_threads(sum);
  if (threadIdx.x == 0) *total = sum;
}

template <class T>
void squares(std::span<const Values<T>> values, double* sum, double* workspace, Stream stream) {
  const char* const function = "sum_of_squares";
  int64_t done = 0;
  each_launch(function, values, [&](const Segments<Values<T>>& segments, int64_t blocks) {
    launch(function, squares_kernel<T>, blocks, kThreads, sizeof(double) * kThreads, stream, segments,
           workspace + done);
    done += blocks;
  });
  launch(function, total_kernel, 1, kThreads, sizeof(double) * kThreads, stream, workspace, done, sum);
}

}  // namespace

void adamw_step(std::span<const AdamWArrays<float>> arrays, const AdamWOptions& options, Stream stream) {
  adamw(arrays, options, stream);
}
void adamw_step(std::span<const AdamWArrays<BF16>> arrays, const AdamWOptions& options, Stream stream) {
  adamw(arrays, options, stream);
}

template <class T>
int64_t sum_of_squares_workspace(std::span<const Values<T>> values) {
  int64_t blocks = 0;
  for (const Values<T>& v : values) blocks += blocks_of(v.n);
  return std::max<int64_t>(blocks, 1);
}
template int64_t sum_of_squares_workspace(std::span<const Values<float>> values);
template int64_t sum_of_squares_workspace(std::span<const Values<BF16>> values);

void sum_of_squares(std::span<const Values<float>> values, double* sum, double* workspace, Stream stream) {
  squares(values, sum, workspace, stream);
}
void sum_of_squares(std::span<const Values<BF16>> values, double* sum, double* workspace, Stream stream) {
  squares(values, sum, workspace, stream);
}

}  // namespace langevin::cuda
