// Products of large matrices with few columns, as one call of a network on one sample is: the time goes into
// reading weights, so each is read exactly once, in the order in which it lies in memory, from as few bytes
// as it was rounded to. Arithmetic is fp32 (fp32 and bf16 weights) or integer (int8 weights, 16-bit columns).
//
//   y[column, 32 b + j] += sum_i w[i, 32 b + j] x[row, i]        for every (row, column) of every tap
//
// A tap is one matrix: a convolution has one for each place of its kernel, with the pairs of positions that
// meet there; a linear map has one. Padding is what no pair names. Rows of x may come from several sources
// beside each other (a concatenation): that is one tap a source.
//
// Weights lie in slices: what one tap has for one block of 32 outputs.
//   fp32  `in` rows of 32 floats
//   bf16  `in` rows of 16 pairs: outputs j and 16 + j
//   int8  32 floats, the scale of each output in this slice; then (in + 1) / 2 rows of 32 pairs: inputs 2 r
//   and
//         2 r + 1 of output j, the last padded with 0
#pragma once

#include <cstddef>
#include <cstdint>

namespace langevin {

enum class StreamType : uint8_t { fp32, bf16, int8 };

inline constexpr int64_t kStreamBlock = 32;    // outputs of a slice
inline constexpr int64_t kStreamAhead = 8192;  // bytes: how far ahead of its use a weight is asked for

/// A multiple of 64.
int64_t stream_slice_bytes(StreamType type, int64_t in);

/// Weight (i, j) of a slice lies at weights[i * in_stride + j * out_stride]; outputs from `out` on are 0.
struct StreamWeights {
  const float* weights = nullptr;
  int64_t in = 0, out = 0;  // out <= kStreamBlock
  int64_t in_stride = 1, out_stride = 1;
};
/// Writes the slice. int8: an output's weights are rounded to the nearest of 255 levels between their largest
/// and its negative.
void pack_stream_slice(StreamType type, const StreamWeights& from, std::byte* to);

/// Rows of x: float, or what quantise_rows made of them where the weights are int8.
struct StreamRows {
  const void* x = nullptr;
  int64_t in = 0, stride = 0;     // values of a row; values from a row to the next
  const float* scales = nullptr;  // int8 only: of each row
};

struct StreamTap {
  int64_t source = 0;  // of StreamUnit::sources
  int64_t pairs = 0;
  const int32_t* rows = nullptr;     // of the source
  const int32_t* columns = nullptr;  // of y, each at most once
};

/// Some blocks of outputs, handled by one thread.
struct StreamUnit {
  StreamType type = StreamType::fp32;
  const std::byte* weights = nullptr;  // slices: (blocks, taps), on 64 bytes
  int64_t blocks = 0, taps = 0;
  const StreamTap* tap = nullptr;
  const StreamRows* sources = nullptr;
  float* y = nullptr;  // is added to; on 64 bytes
  int64_t stride = 0;  // floats from one column to the next, a multiple of 16
};
void stream_product(const StreamUnit& unit);

/// Rows of floats as 16-bit integers with a scale each, x = scale q, |q| so small that no sum of products
/// with int8 weights overflows. A row that is not finite gets a scale that is not.
struct QuantisedRows {
  const float* x = nullptr;
  int64_t rows = 0, in = 0, x_stride = 0;
  int16_t* q = nullptr;  // on 64 bytes; (rows, q_stride), q_stride even and at least in
  int64_t q_stride = 0;
  float* scales = nullptr;  // (rows)
};
void quantise_rows(const QuantisedRows& call);

/// The same by plain loops in double.
namespace reference {
/// Weight (i, j) of a slice.
double stream_weight(StreamType type, const std::byte* slice, int64_t in, int64_t i, int64_t j);
void stream_product(const StreamUnit& unit);
void quantise_rows(const QuantisedRows& call);
}  // namespace reference

}  // namespace langevin
