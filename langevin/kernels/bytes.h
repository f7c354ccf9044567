// Activations as bytes, for int8 products: x ~ (q - zero[c]) / gain[c] with q in 0..255, a gain and a zero
// for every channel (affine quantisation; Jacob et al. 2018, arXiv:1712.05877, eq. 1). 0 is exactly zero[c],
// so a picture can be framed by zeros before it is convolved, whatever the zeros are called.
#pragma once

#include <cstdint>
#include <cstring>

#include "langevin/kernels/bf16.h"

namespace langevin {

/// Rows and columns of zeros around a picture.
struct Frame {
  int64_t top = 0, bottom = 0, left = 0, right = 0;
  int64_t height(int64_t h) const { return top + h + bottom; }
  int64_t width(int64_t w) const { return left + w + right; }
};

/// Where bytes go: (n, frame.height(h), frame.width(w), c), channels-last; the frame is written too.
struct BytePicture {
  uint8_t* y = nullptr;
  int64_t w = 0;  // positions in a row
  Frame frame;
  const float* gain = nullptr;    // (c), above 0
  const float* offset = nullptr;  // (c), the zeros as numbers: q = clamp(round(x gain + offset), 0, 255)
  const uint8_t* zero = nullptr;  // (c), the same as bytes
};

/// A pass of its own for values that no other kernel stores as bytes. Ties round to even; NaN becomes some
/// byte.
template <class T>
struct Quantise {
  const T* x = nullptr;  // (n,h,w,c)
  int64_t n = 0, h = 0, c = 0;
  BytePicture to;
};
void quantise(const Quantise<float>& call);
void quantise(const Quantise<BF16>& call);

namespace reference {
void quantise(const Quantise<float>& call);
void quantise(const Quantise<BF16>& call);
}  // namespace reference

/// The byte that `value` becomes in channel c; the reference of every kernel that stores bytes.
uint8_t byte_of(double value, const BytePicture& to, int64_t c);

namespace bytes {

inline void fill_zeros(const BytePicture& to, int64_t c, uint8_t* at, int64_t positions) {
  for (int64_t i = 0; i < positions; ++i) std::memcpy(at + i * c, to.zero, static_cast<size_t>(c));
}

/// Calls write(position, y, positions) for every piece of a row among positions [begin, end) of sample n, and
/// fills the frame beside them: whoever handles all positions has written the whole picture.
template <class Write>
void for_each_piece(const BytePicture& to, int64_t n, int64_t h, int64_t c, int64_t begin, int64_t end,
                    const Write& write) {
  const Frame& frame = to.frame;
  const int64_t width = frame.width(to.w), first_row = n * frame.height(h);
  for (int64_t at = begin; at < end;) {
    const int64_t row = at / to.w, column = at % to.w;
    const int64_t stop = column + end - at < to.w ? column + end - at : to.w;
    uint8_t* line = to.y + (first_row + frame.top + row) * width * c;
    if (at == 0) fill_zeros(to, c, to.y + first_row * width * c, frame.top * width);
    if (column == 0) fill_zeros(to, c, line, frame.left);
    write(at, line + (frame.left + column) * c, stop - column);
    if (stop == to.w) fill_zeros(to, c, line + (frame.left + to.w) * c, frame.right);
    if (stop == to.w && row == h - 1) fill_zeros(to, c, line + width * c, frame.bottom * width);
    at += stop - column;
  }
}

}  // namespace bytes
}  // namespace langevin
