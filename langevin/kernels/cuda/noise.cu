// Built with --fmad=false (-ffp-contract=off in the emulation): see core/philox.h.
#include "langevin/kernels/cuda/noise.h"

#include "langevin/core/philox.h"
#include "langevin/kernels/cuda/vectors.h"

namespace langevin::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWords = 4;

struct Stream32 {  // the counter and key of a batch's first sample
  uint64_t sample;
  uint32_t purpose, step, key0, key1;
};

Stream32 stream_of(const NoiseKey& key, int64_t n) {
  require(key.sample + static_cast<uint64_t>(n) <= uint64_t{1} << 56, "NoiseKey",
          "sample must stay below 2^56");
  return {key.sample, static_cast<uint32_t>(key.purpose) << 24, key.step, static_cast<uint32_t>(key.seed),
          static_cast<uint32_t>(key.seed >> 32)};
}

__device__ inline void draw(const Stream32& s, int64_t n, int64_t block, uint32_t (&words)[kWords]) {
  const uint64_t sample = s.sample + static_cast<uint64_t>(n);
  words[0] = static_cast<uint32_t>(block);
  words[1] = s.step;
  words[2] = static_cast<uint32_t>(sample);
  words[3] = static_cast<uint32_t>(sample >> 32) | s.purpose;
  philox::rounds(words[0], words[1], words[2], words[3], s.key0, s.key1);
}

__device__ inline void box_muller(uint32_t radius_word, uint32_t turn_word, float* out) {
  const float r = sqrtf(philox::radius_squared(radius_word));
  const philox::Turn t = philox::turn(turn_word);
  out[0] = r * t.cosine;
  out[1] = r * t.sine;
}

__global__ void __launch_bounds__(kThreads)
    normal_kernel(float* out, int64_t n, int64_t elements, bool wide, Stream32 stream) {
  const int64_t blocks = (elements + kWords - 1) / kWords;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= n * blocks) return;
  const int64_t sample = i / blocks, block = i % blocks;
  uint32_t words[kWords];
  draw(stream, sample, block, words);
  float normals[kWords];
  box_muller(words[0], words[1], normals);
  box_muller(words[2], words[3], normals + 2);
  float* to = out + sample * elements + block * kWords;
  if (wide) {
    store16(to, {std::bit_cast<uint32_t>(normals[0]), std::bit_cast<uint32_t>(normals[1]),
                 std::bit_cast<uint32_t>(normals[2]), std::bit_cast<uint32_t>(normals[3])});
    return;
  }
  for (int k = 0; k < kWords; ++k) {
    if (block * kWords + k < elements) to[k] = normals[k];
  }
}

__global__ void __launch_bounds__(kThreads)
    words_kernel(uint32_t* out, int64_t n, int64_t blocks, Stream32 stream) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= n * blocks) return;
  uint32_t words[kWords];
  draw(stream, i / blocks, i % blocks, words);
  for (int k = 0; k < kWords; ++k) out[i * kWords + k] = words[k];
}

int64_t grid_for(int64_t threads, const char* function) {
  const int64_t blocks = (threads + kThreads - 1) / kThreads;
  require(blocks < int64_t{1} << 31, function, "so many blocks of numbers are too many for one call",
          {static_cast<double>(threads)});
  return blocks;
}

}  // namespace

void fill_normal(float* out, int64_t n, int64_t elements, const NoiseKey& key, Stream stream) {
  const char* const function = "fill_normal";
  require(n >= 0 && elements >= 0 && elements <= int64_t{1} << 34, function,
          "a stream has at most 2^34 elements", {static_cast<double>(elements)});
  const int64_t threads = n * ((elements + kWords - 1) / kWords);
  launch(function, normal_kernel, grid_for(threads, function), kThreads, 0, stream, out, n, elements,
         elements % kWords == 0 && vectors_at(out), stream_of(key, n));
}

void fill_words(uint32_t* out, int64_t n, int64_t blocks, const NoiseKey& key, Stream stream) {
  launch("fill_words", words_kernel, grid_for(n * blocks, "fill_words"), kThreads, 0, stream, out, n, blocks,
         stream_of(key, n));
}

}  // namespace langevin::cuda
