// With dz the gradient of what the activation is given, xhat the normalised input, and all sums over one
// sample's positions (and a group's channels where a mean is meant):
//   dshift = sum dz,  dscale = sum dz h,  dbeta = sum (1 + scale) dz,  dgamma = sum (1 + scale) dz xhat
//   dx = rstd (dxhat - mean(dxhat) - xhat mean(dxhat xhat)),  dxhat = dz (1 + scale) gamma,  dadded = sum dx
#include "langevin/kernels/cuda/group_norm_plan.h"
#include "langevin/kernels/cuda/group_norm_silu.h"

namespace langevin::cuda {
namespace {

/// dx = slope dz + c (x - mean) + d: what a group's means give.
struct Correction {
  float c, d;
};

/// Where a call keeps what passes from kernel to kernel.
struct Workspace {
  float* chunks;   // (n, chunks, 3, c): sums of dz, dz (x - mean), x - mean (for dadded) of each chunk
  float* samples;  // (n, 2, c): each sample's shares of dbeta, of dgamma
  Correction* corrections;  // (n, groups)
};
constexpr int64_t kSums = 3;
int64_t floats_of_chunks(const NormPlan& p) { return kSums * p.n * p.chunks * p.c; }
int64_t floats_of_samples(const NormPlan& p) { return 2 * p.n * p.c; }
Workspace workspace_at(const NormPlan& p, void* memory) {
  auto* chunks = static_cast<float*>(memory);
  float* samples = chunks + floats_of_chunks(p);
  return {chunks, samples, reinterpret_cast<Correction*>(samples + floats_of_samples(p))};
}
int64_t workspace_bytes(const NormPlan& p) {
  return 4 * (floats_of_chunks(p) + floats_of_samples(p) + 2 * p.n * p.groups);
}

/// Shared memory of a block that settles: each thread's shares of the sums, then two values of each of its
/// channels.
size_t settle_bytes(const NormPlan& p) {
  return sizeof(float) * (kSums * kThreads + 2 * static_cast<size_t>(p.settled_groups * p.size));
}

/// What a thread knows of its V channels in one sample.
template <int V>
struct Channels {
  float mean[V];  // less what is added
  Affine affine[V];
};
template <int V, class Arrays>
__device__ inline Channels<V> channels_at(const NormPlan& p, const Arrays& arrays, int64_t n, int channel) {
  Channels<V> out;
  for (int v = 0; v < V; ++v) {
    const int64_t group = n * p.groups + (channel + v) / p.size;
    out.mean[v] = arrays.mean[group] - added_at(arrays, n, channel + v);
    out.affine[v] = affine_of(arrays, n, channel + v, out.mean[v], arrays.rstd[group]);
  }
  return out;
}

/// dz of V elements, and x - mean into `centred`.
template <class T, int V>
__device__ inline void gradients_at(const NormPlan& p, const GroupNormGradients<T>& arrays, const Mask& mask,
                                    const Channels<V>& channels, int64_t n, int64_t element, float (&dz)[V],
                                    float (&centred)[V]) {
  const int64_t at = n * p.hw * p.c + element;
  load<V>(arrays.dy + at, dz);
  load<V>(arrays.x + at, centred);
  drop<V>(mask, n, element, dz);
  for (int v = 0; v < V; ++v) {
    if (p.silu) dz[v] *= silu_of(channels.affine[v].slope * centred[v] + channels.affine[v].offset).slope;
    centred[v] -= channels.mean[v];
  }
}

template <class T, int V>
__device__ void gather(const NormPlan& p, const GroupNormGradients<T>& arrays, const Mask& mask, int64_t n,
                       int chunk, float* sums) {
  float* scratch = shared_memory<float>();
  float* shares = scratch + 2 * kThreads * V;
  const Chunk positions = chunk_of(p, chunk);
  const int lanes = lanes_for(p.tile * V);
  for (int first = 0; first < p.columns; first += p.tile) {
    const Place at = place_in<V>(p, first);
    float a[V] = {}, b[V] = {}, all[V] = {};
    if (at.active) {
      const Channels<V> channels = channels_at<V>(p, arrays, n, at.channel);
      for (int64_t position = positions.first + at.row; position < positions.last; position += p.rows) {
        float dz[V], centred[V];
        gradients_at<T, V>(p, arrays, mask, channels, n, position * p.c + at.channel, dz, centred);
        for (int v = 0; v < V; ++v) {
          a[v] += dz[v];
          b[v] += dz[v] * centred[v];
          all[v] += centred[v];
        }
      }
    }
    put_sums<V>(scratch, at, p.tile * V, a, b);
    const int end = first + p.tile < p.columns ? first + p.tile : p.columns;
    add_up(p, scratch, shares, p.tile * V, first * V, end * V, 1, lanes, [&](int channel, float s, float s2) {
      sums[channel] = s;
      sums[p.c + channel] = s2;
    });
    if (arrays.dadded == nullptr) continue;
    put_sums<V>(scratch, at, p.tile * V, all, all);
    add_up(p, scratch, shares, p.tile * V, first * V, end * V, 1, lanes,
           [&](int channel, float s, float) { sums[2 * p.c + channel] = s; });
  }
}

/// One channel's sums over the chunks: its gradients, its shares in the sample's row and in its group's
/// means.
template <class T>
__device__ inline void settle_channel(const NormPlan& p, const GroupNormGradients<T>& arrays,
                                      const Workspace& work, int64_t n, int channel, float dz,
                                      float dz_centred, float* means) {
  const float rstd = arrays.rstd[n * p.groups + channel / p.size];
  const float dz_xhat = dz_centred * rstd;
  const float gamma = arrays.gamma == nullptr ? 1.0F : arrays.gamma[channel];
  const float beta = arrays.beta == nullptr ? 0.0F : arrays.beta[channel];
  const float gain =
      arrays.scale == nullptr ? 1.0F : 1.0F + arrays.scale[n * arrays.modulation_stride + channel];
  const int64_t row = n * arrays.gradient_stride + channel;
  if (arrays.dshift != nullptr) arrays.dshift[row] = dz;
  if (arrays.dscale != nullptr) arrays.dscale[row] = gamma * dz_xhat + beta * dz;
  float* sample = work.samples + 2 * n * p.c;
  sample[channel] = gain * dz;
  sample[p.c + channel] = gain * dz_xhat;
  means[0] = gamma * gain * dz;
  means[1] = gamma * gain * dz_xhat;
}

/// Joins the chunks of one sample for the groups first .. first + settled_groups - 1.
template <class T>
__device__ void settle(const NormPlan& p, const GroupNormGradients<T>& arrays, const Workspace& work,
                       int64_t n, int first) {
  float* shares = shared_memory<float>();
  float* rows = shares + kSums * kThreads;  // (channel, 2)
  const int groups = p.groups - first < p.settled_groups ? p.groups - first : p.settled_groups;
  const int begin = first * p.size, count = groups * p.size;
  const int width = count < kThreads ? count : kThreads, parts = kThreads / width;
  const int thread = static_cast<int>(threadIdx.x), part = thread / width;
  const float* sums = work.chunks + kSums * n * p.chunks * p.c;
  for (int base = 0; base < count; base += width) {
    const int own = base + thread % width;
    const bool active = part < parts && own < count;
    float a = 0, b = 0, all = 0;
    for (int chunk = part; active && chunk < p.chunks; chunk += parts) {
      const float* at = sums + kSums * static_cast<int64_t>(chunk) * p.c + begin + own;
      a += at[0];
      b += at[p.c];
      if (arrays.dadded != nullptr) all += at[2 * p.c];
    }
    float* share = shares + kSums * thread;
    share[0] = a;
    share[1] = b;
    share[2] = all;
    __syncthreads();
    if (active && part == 0) {
      for (int other = 1; other < parts; ++other) {
        const float* theirs = share + kSums * other * width;
        a += theirs[0];
        b += theirs[1];
        all += theirs[2];
      }
      settle_channel(p, arrays, work, n, begin + own, a, b, rows + 2 * own);
      if (arrays.dadded != nullptr) arrays.dadded[n * p.c + begin + own] = all;  // for now
    }
    __syncthreads();
  }
  const int lanes = lanes_for(groups), slot = thread / lanes, lane = thread % lanes;
  const float inverse = 1.0F / (static_cast<float>(p.hw) * static_cast<float>(p.size));
  for (int base = 0; base < groups; base += kThreads / lanes) {
    const int group = base + slot;
    float a = 0, b = 0;
    for (int i = lane; group < groups && i < p.size; i += lanes) {
      a += rows[2 * (group * p.size + i)];
      b += rows[2 * (group * p.size + i) + 1];
    }
    shares[2 * thread] = a;
    shares[2 * thread + 1] = b;
    __syncthreads();
    if (lane == 0 && group < groups) {
      for (int other = 1; other < lanes; ++other) {
        a += shares[2 * (thread + other)];
        b += shares[2 * (thread + other) + 1];
      }
      const int64_t at = n * p.groups + first + group;
      const float rstd = arrays.rstd[at];
      work.corrections[at] = {-rstd * rstd * b * inverse, -rstd * a * inverse};
    }
    __syncthreads();
  }
  for (int own = thread; arrays.dadded != nullptr && own < count; own += kThreads) {
    const int64_t at = n * p.groups + (begin + own) / p.size;
    const Correction correction = work.corrections[at];
    float* sum = arrays.dadded + n * p.c + begin + own;
    *sum = arrays.rstd[at] * rows[2 * own] + correction.c * *sum + static_cast<float>(p.hw) * correction.d;
  }
}

template <class T, int V>
__device__ void write(const NormPlan& p, const GroupNormGradients<T>& arrays, const Mask& mask,
                      const Workspace& work, int64_t n, int chunk) {
  const Chunk positions = chunk_of(p, chunk);
  for (int first = 0; first < p.columns; first += p.tile) {
    const Place at = place_in<V>(p, first);
    if (!at.active) continue;
    const Channels<V> channels = channels_at<V>(p, arrays, n, at.channel);
    Correction corrections[V];
    for (int v = 0; v < V; ++v) corrections[v] = work.corrections[n * p.groups + (at.channel + v) / p.size];
    for (int64_t position = positions.first + at.row; position < positions.last; position += p.rows) {
      const int64_t element = position * p.c + at.channel;
      float dz[V], centred[V];
      gradients_at<T, V>(p, arrays, mask, channels, n, element, dz, centred);
      for (int v = 0; v < V; ++v)
        dz[v] = channels.affine[v].slope * dz[v] + (corrections[v].c * centred[v] + corrections[v].d);
      store<V>(dz, arrays.dx + n * p.hw * p.c + element);
    }
  }
}

/// Blocks that a multiprocessor should hold at once: with less than 80 registers a thread.
constexpr int kResident = 3;

template <class T, int V>
__global__ void __launch_bounds__(kThreads, kResident)
    gather_kernel(NormPlan p, GroupNormGradients<T> arrays, Mask mask, Workspace work) {
  const int64_t block = blockIdx.x;
  gather<T, V>(p, arrays, mask, block / p.chunks, static_cast<int>(block % p.chunks),
               work.chunks + kSums * block * p.c);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    settle_kernel(NormPlan p, GroupNormGradients<T> arrays, Workspace work) {
  const int64_t block = blockIdx.x;
  settle(p, arrays, work, block / p.settled_blocks,
         static_cast<int>(block % p.settled_blocks) * p.settled_groups);
}

template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    write_kernel(NormPlan p, GroupNormGradients<T> arrays, Mask mask, Workspace work) {
  const int64_t block = blockIdx.x;
  write<T, V>(p, arrays, mask, work, block / p.chunks, static_cast<int>(block % p.chunks));
}

/// Samples of one chunk: all but the sums over samples in one launch.
template <class T, int V>
__global__ void __launch_bounds__(kThreads, kResident)
    whole_kernel(NormPlan p, GroupNormGradients<T> arrays, Mask mask, Workspace work) {
  const int64_t n = blockIdx.x;
  gather<T, V>(p, arrays, mask, n, 0, work.chunks + kSums * n * p.c);  // ends with a barrier
  for (int first = 0; first < p.groups; first += p.settled_groups) settle(p, arrays, work, n, first);
  if (arrays.dx != nullptr) write<T, V>(p, arrays, mask, work, n, 0);
}

constexpr int kReduced = 32;  // channels of one block that adds over samples

/// dbeta and dgamma: the samples' shares, added in the order of the samples.
__global__ void __launch_bounds__(kThreads)
    reduce_kernel(NormPlan p, const float* samples, float* dbeta, float* dgamma) {
  double* shares = shared_memory<double>();
  const int thread = static_cast<int>(threadIdx.x), part = thread / kReduced, parts = kThreads / kReduced;
  const int channel = static_cast<int>(blockIdx.x) * kReduced + thread % kReduced;
  double a = 0, b = 0;
  for (int64_t n = part; channel < p.c && n < p.n; n += parts) {
    a += samples[2 * n * p.c + channel];
    b += samples[2 * n * p.c + p.c + channel];
  }
  shares[2 * thread] = a;
  shares[2 * thread + 1] = b;
  __syncthreads();
  if (part != 0 || channel >= p.c) return;
  for (int other = 1; other < parts; ++other) {
    a += shares[2 * (thread + other * kReduced)];
    b += shares[2 * (thread + other * kReduced) + 1];
  }
  if (dbeta != nullptr) dbeta[channel] = static_cast<float>(a);
  if (dgamma != nullptr) dgamma[channel] = static_cast<float>(b);
}

template <class T, int V>
void start(const NormPlan& p, const GroupNormGradients<T>& arrays, const Mask& mask, void* memory,
           Stream stream) {
  const char* const function = "group_norm_silu_backward";
  const Workspace work = workspace_at(p, memory);
  const int64_t blocks = p.n * p.chunks;
  const size_t gather_bytes = sizeof(float) * kGatherFloats<V>;
  if (p.chunks == 1) {
    launch(function, whole_kernel<T, V>, blocks, kThreads, std::max(gather_bytes, settle_bytes(p)), stream, p,
           arrays, mask, work);
  } else {
    launch(function, gather_kernel<T, V>, blocks, kThreads, gather_bytes, stream, p, arrays, mask, work);
    launch(function, settle_kernel<T>, p.n * p.settled_blocks, kThreads, settle_bytes(p), stream, p, arrays,
           work);
    if (arrays.dx != nullptr)
      launch(function, write_kernel<T, V>, blocks, kThreads, 0, stream, p, arrays, mask, work);
  }
  if (arrays.dgamma == nullptr && arrays.dbeta == nullptr) return;
  launch(function, reduce_kernel, (p.c + kReduced - 1) / kReduced, kThreads, sizeof(double) * 2 * kThreads,
         stream, p, work.samples, arrays.dbeta, arrays.dgamma);
}

template <class T>
void backward(const GroupNormShape& s, const GroupNormGradients<T>& arrays, const DropoutMask& dropout,
              void* workspace, Stream stream) {
  const char* const function = "group_norm_silu_backward";
  check_norm(s, function);
  require(arrays.x != nullptr && arrays.dy != nullptr && arrays.mean != nullptr && arrays.rstd != nullptr &&
              workspace != nullptr,
          function, "x, dy, mean, rstd and the workspace must not be null");
  const bool modulated = arrays.dscale != nullptr || arrays.dshift != nullptr;
  require(!modulated || s.n == 1 || arrays.gradient_stride >= s.c, function,
          "gradient_stride must be at least the number of channels",
          {static_cast<double>(arrays.gradient_stride)});
  const Mask mask = mask_of(dropout, s.n);
  if (s.c % kVector == 0 && vectors_at(arrays.x) && vectors_at(arrays.dy) && vectors_at(arrays.dx)) {
    start<T, kVector>(plan_norm(s, kVector), arrays, mask, workspace, stream);
  } else {
    start<T, 1>(plan_norm(s, 1), arrays, mask, workspace, stream);
  }
}

}  // namespace

int64_t group_norm_workspace(const GroupNormShape& shape) {
  check_norm(shape, "group_norm_workspace");
  return workspace_bytes(plan_norm(shape, 1));
}

void group_norm_silu_backward(const GroupNormShape& shape, const GroupNormGradients<float>& arrays,
                              const DropoutMask& mask, void* workspace, Stream stream) {
  backward(shape, arrays, mask, workspace, stream);
}
void group_norm_silu_backward(const GroupNormShape& shape, const GroupNormGradients<BF16>& arrays,
                              const DropoutMask& mask, void* workspace, Stream stream) {
  backward(shape, arrays, mask, workspace, stream);
}

}  // namespace langevin::cuda
