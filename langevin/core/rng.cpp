// Built with -ffp-contract=off and without libm: additions, multiplications and square roots of IEEE-754
// round alike everywhere, so the deviates are the same bits on every machine. The loops are written for the
// compiler's vectoriser.
#include "langevin/core/rng.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <type_traits>
#include <utility>

#include "langevin/core/check.h"
#include "langevin/core/philox.h"

namespace langevin {
namespace {

constexpr size_t kChunk = 64;  // blocks worked on at once: 256 deviates, a few KiB that stay in the L1 cache

struct Words {
  alignas(64) uint32_t word[4][kChunk];
};

struct Header {  // what all blocks of a key's stream share
  uint32_t step, sample_low, sample_high, key0, key1;
};

Header header_of(const NoiseKey& key) {
  check(key.sample < (uint64_t{1} << 56), "NoiseKey", "sample must be below 2^56, got {}", key.sample);
  return {key.step, static_cast<uint32_t>(key.sample),
          static_cast<uint32_t>(key.sample >> 32) | static_cast<uint32_t>(key.purpose) << 24,
          static_cast<uint32_t>(key.seed), static_cast<uint32_t>(key.seed >> 32)};
}

// The words of blocks first, first + 1, ..., first + kChunk - 1, one array for each of a block's four words.
void fill_words(Words& words, const Header& h, uint32_t first) {
  for (size_t i = 0; i < kChunk; ++i) {
    uint32_t c0 = first + static_cast<uint32_t>(i), c1 = h.step, c2 = h.sample_low, c3 = h.sample_high;
    philox::rounds(c0, c1, c2, c3, h.key0, h.key1);
    words.word[0][i] = c0;
    words.word[1][i] = c1;
    words.word[2][i] = c2;
    words.word[3][i] = c3;
  }
}

// Box and Muller (1958): two words make two independent normal deviates.
inline philox::Turn box_muller(uint32_t radius_word, uint32_t turn_word) {
  const float r = std::sqrt(philox::radius_squared(radius_word));
  const philox::Turn t = philox::turn(turn_word);
  return {r * t.cosine, r * t.sine};
}

void normals_of(const Words& words, float* __restrict out) {
  alignas(64) float part[4][kChunk];
  for (size_t half = 0; half < 4; half += 2) {
    const uint32_t* __restrict radius_words = words.word[half];
    const uint32_t* __restrict turn_words = words.word[half + 1];
    float* __restrict cosines = part[half];
    float* __restrict sines = part[half + 1];
    for (size_t i = 0; i < kChunk; ++i) {
      const philox::Turn pair = box_muller(radius_words[i], turn_words[i]);
      cosines[i] = pair.cosine;
      sines[i] = pair.sine;
    }
  }
  for (size_t i = 0; i < kChunk; ++i) {
    for (size_t k = 0; k < 4; ++k) out[4 * i + k] = part[k][i];
  }
}

void uniforms_of(const Words& words, float* __restrict out) {
  for (size_t i = 0; i < kChunk; ++i) {
    for (size_t k = 0; k < 4; ++k) {
      out[4 * i + k] = (static_cast<float>(static_cast<int32_t>(words.word[k][i] >> 9)) + 0.5f) * 0x1p-23f;
    }
  }
}

// Fills `out` chunk by chunk; make(words, destination) turns a chunk's words into 4 kChunk floats.
template <class T, class Make>
void fill_chunks(std::span<T> out, const NoiseKey& key, Make make) {
  check(out.size() <= uint64_t{1} << 34, "fill_normal", "a stream has at most 2^34 elements, got {}",
        out.size());
  const Header header = header_of(key);
  Words words;
  alignas(64) float buffer[4 * kChunk];
  uint32_t block = 0;
  for (size_t done = 0; done < out.size(); done += 4 * kChunk, block += kChunk) {
    const size_t count = std::min(out.size() - done, 4 * kChunk);
    fill_words(words, header, block);
    if constexpr (std::is_same_v<T, float>) {
      if (count == 4 * kChunk) {
        make(words, out.data() + done);
        continue;
      }
    }
    make(words, buffer);
    std::copy_n(buffer, count, out.data() + done);
  }
}

}  // namespace

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  philox::rounds(counter[0], counter[1], counter[2], counter[3], key[0], key[1]);
  return counter;
}

std::array<uint32_t, 4> random_block(const NoiseKey& key, uint32_t block) {
  const Header h = header_of(key);
  return philox4x32({block, h.step, h.sample_low, h.sample_high}, {h.key0, h.key1});
}

void fill_normal(std::span<float> out, const NoiseKey& key) { fill_chunks(out, key, normals_of); }
void fill_normal(std::span<double> out, const NoiseKey& key) { fill_chunks(out, key, normals_of); }
void fill_uniform(std::span<float> out, const NoiseKey& key) { fill_chunks(out, key, uniforms_of); }

uint32_t RandomStream::next_u32() {
  if (used_ == 4) {
    words_ = random_block(key_, block_++);
    used_ = 0;
  }
  return words_[used_++];
}

double RandomStream::uniform() { return (static_cast<double>(next_u32()) + 0.5) * 0x1p-32; }

double RandomStream::uniform(double lo, double hi) { return lo + (hi - lo) * uniform(); }

// Draws below a multiple of n are kept, others drawn again: every remainder is equally likely.
uint64_t RandomStream::below(uint64_t n) {
  check(n >= 1, "RandomStream::below", "n must be at least 1, got {}", n);
  if (n <= uint64_t{1} << 32) {
    const uint64_t limit = (uint64_t{1} << 32) / n * n;
    uint64_t draw = next_u32();
    while (draw >= limit) draw = next_u32();
    return draw % n;
  }
  const uint64_t excess = (std::numeric_limits<uint64_t>::max() % n + 1) % n;  // 2^64 mod n
  for (;;) {
    const uint64_t upper = next_u32();
    const uint64_t draw = upper << 32 | next_u32();
    if (draw <= std::numeric_limits<uint64_t>::max() - excess) return draw % n;
  }
}

double RandomStream::normal() {
  const uint32_t radius_word = next_u32();
  return box_muller(radius_word, next_u32()).cosine;
}

std::vector<uint32_t> permutation(uint32_t n, const NoiseKey& key) {
  std::vector<uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0u);
  RandomStream stream(key);
  for (uint32_t i = n; i > 1; --i) std::swap(order[i - 1], order[stream.below(i)]);
  return order;
}

}  // namespace langevin
