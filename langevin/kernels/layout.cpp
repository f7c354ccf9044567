#include "langevin/kernels/layout.h"

#include <algorithm>
#include <cstring>

#include "langevin/kernels/threads.h"

namespace langevin {
namespace {

void put(float value, float& to) { to = value; }
void put(float value, BF16& to) { to = to_bf16(value); }

int64_t source_index(int64_t i, int64_t from, int64_t to) {
  const float scale = static_cast<float>(from) / static_cast<float>(to);
  return std::min(static_cast<int64_t>(static_cast<float>(i) * scale), from - 1);
}

}  // namespace

template <class T>
void to_channels_last(const float* x, T* y, int64_t n, int64_t c, int64_t hw) {
  parallel_for(n, threads_for(n * c * hw), [&](int64_t sample, int) {
    const float* from = x + sample * c * hw;
    T* to = y + sample * c * hw;
    for (int64_t p = 0; p < hw; ++p) {
      for (int64_t k = 0; k < c; ++k) put(from[k * hw + p], to[p * c + k]);
    }
  });
}

template <class T>
void from_channels_last(const T* x, float* y, int64_t n, int64_t c, int64_t hw) {
  parallel_for(n, threads_for(n * c * hw), [&](int64_t sample, int) {
    const T* from = x + sample * c * hw;
    float* to = y + sample * c * hw;
    for (int64_t p = 0; p < hw; ++p) {
      for (int64_t k = 0; k < c; ++k) to[k * hw + p] = to_float(from[p * c + k]);
    }
  });
}

template <class T>
void concat_channels(const Concat<T>& call) {
  constexpr int64_t kRows = 64;
  const int64_t c = call.ca + call.cb, blocks = (call.positions + kRows - 1) / kRows;
  parallel_for(blocks, threads_for(call.positions * c), [&](int64_t block, int) {
    const int64_t end = std::min(call.positions, (block + 1) * kRows);
    for (int64_t p = block * kRows; p < end; ++p) {
      std::memcpy(call.y + p * c, call.a + p * call.ca, static_cast<size_t>(call.ca) * sizeof(T));
      std::memcpy(call.y + p * c + call.ca, call.b + p * call.cb, static_cast<size_t>(call.cb) * sizeof(T));
    }
  });
}

template <class T>
void upsample_nearest(const Upsample<T>& call) {
  const int64_t row = call.to_w * call.c;
  parallel_for(call.n * call.to_h, threads_for(call.n * call.to_h * row), [&](int64_t i, int) {
    const int64_t from = i / call.to_h * call.h + source_index(i % call.to_h, call.h, call.to_h);
    for (int64_t column = 0; column < call.to_w; ++column) {
      std::memcpy(call.y + i * row + column * call.c,
                  call.x + (from * call.w + source_index(column, call.w, call.to_w)) * call.c,
                  static_cast<size_t>(call.c) * sizeof(T));
    }
  });
}

template <class T>
void interleave(const Interleave<T>& call) {
  const int64_t row = call.w * call.c;
  const auto bytes = static_cast<size_t>(call.c) * sizeof(T);
  parallel_for(2 * call.n * call.h, threads_for(4 * call.n * call.h * row), [&](int64_t i, int) {
    const T* even = call.parts[2 * (i % 2)] + i / 2 * row;
    const T* odd = call.parts[2 * (i % 2) + 1] + i / 2 * row;
    T* to = call.y + i * 2 * row;
    for (int64_t at = 0; at < row; at += call.c) {
      std::memcpy(to + 2 * at, even + at, bytes);
      std::memcpy(to + 2 * at + call.c, odd + at, bytes);
    }
  });
}

template void interleave(const Interleave<float>&);
template void interleave(const Interleave<BF16>&);
template void to_channels_last(const float*, float*, int64_t, int64_t, int64_t);
template void to_channels_last(const float*, BF16*, int64_t, int64_t, int64_t);
template void from_channels_last(const float*, float*, int64_t, int64_t, int64_t);
template void from_channels_last(const BF16*, float*, int64_t, int64_t, int64_t);
template void concat_channels(const Concat<float>&);
template void concat_channels(const Concat<BF16>&);
template void upsample_nearest(const Upsample<float>&);
template void upsample_nearest(const Upsample<BF16>&);

}  // namespace langevin
