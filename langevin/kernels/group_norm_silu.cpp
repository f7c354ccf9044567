#include "langevin/kernels/group_norm_silu.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "langevin/core/check.h"
#include "langevin/kernels/group_norm_rows.h"
#include "langevin/kernels/threads.h"

namespace langevin {
namespace {

namespace rows = group_norm_rows;

// How a call is cut up; depends on the sizes only, never on the threads.
struct Cut {
  int64_t repeat = 1;      // positions in one period
  int64_t period = 0;      // repeat * C: the length of a row of coefficients
  int64_t chunk_hw = 0;    // positions in one chunk, a multiple of repeat
  int64_t chunks = 0;      // chunks in one sample
  int64_t group_size = 0;  // C / groups
};

constexpr int64_t kVector = 16;        // floats in the widest vector of x86
constexpr int64_t kLongPeriod = 2048;  // beyond it a scalar tail costs less than the longer row

Cut cut_up(const GroupNormShape& s) {
  Cut cut;
  while ((cut.repeat * s.c) % kVector != 0) cut.repeat *= 2;
  if (cut.repeat > s.hw || cut.repeat * s.c > kLongPeriod) cut.repeat = 1;
  cut.period = cut.repeat * s.c;
  cut.chunk_hw = std::max<int64_t>(1, kChunk / cut.period) * cut.repeat;
  cut.chunks = (s.hw + cut.chunk_hw - 1) / cut.chunk_hw;
  cut.group_size = s.c / s.groups;
  return cut;
}

void check_shape(const GroupNormShape& s, const char* function) {
  check(s.n >= 1 && s.hw >= 1 && s.c >= 1, function, "n, hw and c must be at least 1, got {}, {}, {}", s.n,
        s.hw, s.c);
  check(s.groups >= 1 && s.c % s.groups == 0, function, "groups must divide the {} channels, got {}", s.c,
        s.groups);
  check(s.eps > 0, function, "eps must be above 0, got {}", s.eps);
  const int64_t limit = std::numeric_limits<int64_t>::max() / 64;
  check(s.hw <= limit / s.c && s.n <= limit / (s.hw * s.c), function, "{} x {} x {} elements overflow", s.n,
        s.hw, s.c);
}

// Uninitialised floats: `count` rows of `size`.
template <class V>
struct Rows {
  Rows(int64_t count, int64_t size)
      : data(std::make_unique_for_overwrite<V[]>(static_cast<size_t>(count * size))), size(size) {}
  V* operator[](int64_t row) const { return data.get() + row * size; }
  std::unique_ptr<V[]> data;
  int64_t size;
};

// The forward call's workspace: rows of pivot, a, b, gain and offset for each slot, lanes for each thread,
// sums for each chunk.
struct ForwardLayout {
  int64_t slots = 0, threads = 0;
  int64_t floats(const Cut& cut) const { return (5 * slots + 2 * threads) * cut.period; }
  int64_t doubles(const GroupNormShape& s, const Cut& cut) const { return s.n * cut.chunks * 2 * s.groups; }
  // Sums first: doubles need the better alignment.
  int64_t bytes(const GroupNormShape& s, const Cut& cut) const {
    return 8 * doubles(s, cut) + 4 * floats(cut);
  }
};

// `count` rows of `size` in memory that somebody else keeps.
template <class V>
struct RowView {
  V* operator[](int64_t row) const { return data + row * size; }
  V* data;
  int64_t size;
};

// One sample's modulation, as z = h * gain[c] + shift[c].
struct Modulation {
  const float* scale = nullptr;
  const float* shift = nullptr;
  double gain(int64_t c) const { return scale == nullptr ? 1.0 : 1.0 + static_cast<double>(scale[c]); }
  double offset(int64_t c) const { return shift == nullptr ? 0.0 : static_cast<double>(shift[c]); }
};

template <class Arrays>
Modulation modulation_of(const Arrays& arrays, int64_t n) {
  const int64_t at = n * arrays.modulation_stride;
  return {arrays.scale == nullptr ? nullptr : arrays.scale + at,
          arrays.shift == nullptr ? nullptr : arrays.shift + at};
}

double value_or(const float* array, int64_t index, double otherwise) {
  return array == nullptr ? otherwise : static_cast<double>(array[index]);
}

template <class T>
T rounded(float value) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return value;
  } else {
    return to_bf16(value);
  }
}

// A coefficient of the inner loops. A NaN becomes the plain one: their rounding to bf16 relies on its lower
// half.
float coefficient(double value) {
  return std::isnan(value) ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(value);
}

// Copies a row's first C coefficients along its period.
void repeat_row(float* row, int64_t c, int64_t period) {
  for (int64_t at = c; at < period; at += c) std::copy_n(row, c, row + at);
}

// The four phases of forward and backward alike: prepare a sample, gather sums over its chunks, settle them,
// write the chunks. A sample stays with one thread (and in its cache) when that shares the work evenly;
// otherwise the threads share the chunks. Both do the same arithmetic. `slot` names the sample's rows of
// coefficients.
template <class Pass>
void run_phases(Pass& pass, const GroupNormShape& s, const Cut& cut, int threads, bool sample_a_thread) {
  if (sample_a_thread) {
    parallel_for(s.n, threads, [&](int64_t n, int thread) {
      pass.prepare(n, thread);
      for (int64_t k = 0; k < cut.chunks; ++k) pass.gather(n, k, thread, thread);
      pass.settle(n, thread);
      for (int64_t k = 0; k < cut.chunks; ++k) pass.write(n, k, thread);
    });
    return;
  }
  parallel_for(s.n, threads, [&](int64_t n, int) { pass.prepare(n, n); });
  parallel_for(s.n * cut.chunks, threads, [&](int64_t i, int thread) {
    pass.gather(i / cut.chunks, i % cut.chunks, i / cut.chunks, thread);
  });
  parallel_for(s.n, threads, [&](int64_t n, int) { pass.settle(n, n); });
  parallel_for(s.n * cut.chunks, threads,
               [&](int64_t i, int) { pass.write(i / cut.chunks, i % cut.chunks, i / cut.chunks); });
}

bool prefer_sample_a_thread(const GroupNormShape& s, const Cut& cut, int threads) {
  return threads == 1 || cut.chunks == 1 || s.n % threads == 0 || s.n >= 4 * threads;
}

rows::Chunk chunk_of(const GroupNormShape& s, const Cut& cut, int64_t chunk) {
  const int64_t positions = std::min(cut.chunk_hw, s.hw - chunk * cut.chunk_hw);
  return {static_cast<size_t>(positions * s.c), static_cast<size_t>(cut.period)};
}

template <class T>
class Forward {
 public:
  Forward(const GroupNormShape& s, const Cut& cut, const GroupNormForward<T>& arrays,
          const ForwardLayout& layout, void* workspace)
      : s_(s), cut_(cut), arrays_(arrays) {
    sums_ = {static_cast<double*>(workspace), 2 * s.groups};
    auto* rows = reinterpret_cast<float*>(sums_.data + layout.doubles(s, cut));
    const int64_t slot_rows = layout.slots * cut.period;
    pivot_ = {rows, cut.period};
    a_ = {rows + slot_rows, cut.period};
    b_ = {rows + 2 * slot_rows, cut.period};
    gain_ = {rows + 3 * slot_rows, cut.period};
    offset_ = {rows + 4 * slot_rows, cut.period};
    lanes_ = {rows + 5 * slot_rows, 2 * cut.period};
  }

  // The pivot near the group's mean: variance is summed about it, so that a large mean does not swamp it. It
  // has the precision of x, so that the differences of bf16 values are exact.
  void prepare(int64_t n, int64_t slot) {
    constexpr int64_t kProbes = 4;
    const T* x = arrays_.x + n * s_.hw * s_.c;
    const float* added = added_row(n);
    float* pivot = pivot_[slot];
    for (int64_t g = 0; g < s_.groups; ++g) {
      const int64_t first = g * cut_.group_size;
      double sum = 0;
      for (int64_t probe = 0; probe < kProbes; ++probe) {
        const T* at = x + probe * s_.hw / kProbes * s_.c + first;
        for (int64_t c = 0; c < cut_.group_size; ++c) sum += static_cast<double>(to_float(at[c]));
      }
      for (int64_t c = 0; added != nullptr && c < cut_.group_size; ++c)
        sum += static_cast<double>(kProbes) * static_cast<double>(added[first + c]);
      const T mean = rounded<T>(static_cast<float>(sum / static_cast<double>(kProbes * cut_.group_size)));
      std::fill_n(pivot + first, cut_.group_size, to_float(mean));
      // (x + added) - pivot = x - (pivot - added)
      for (int64_t c = first; added != nullptr && c < first + cut_.group_size; ++c) pivot[c] -= added[c];
    }
    repeat_row(pivot, s_.c, cut_.period);
  }

  void gather(int64_t n, int64_t chunk, int64_t slot, int thread) {
    float* sum = lanes_[thread];
    float* sum2 = sum + cut_.period;
    rows::moments(chunk_of(s_, cut_, chunk), {at(arrays_.x, n, chunk), pivot_[slot], sum, sum2});
    double* out = sums_[n * cut_.chunks + chunk];
    std::fill_n(out, 2 * s_.groups, 0.0);
    for (int64_t base = 0; base < cut_.period; base += s_.c) {
      for (int64_t g = 0; g < s_.groups; ++g) {
        double s1 = 0;
        double s2 = 0;
        const int64_t first = base + g * cut_.group_size;
        for (int64_t lane = first; lane < first + cut_.group_size; ++lane) {
          s1 += static_cast<double>(sum[lane]);
          s2 += static_cast<double>(sum2[lane]);
        }
        out[2 * g] += s1;
        out[2 * g + 1] += s2;
      }
    }
  }

  void settle(int64_t n, int64_t slot) {
    const double count = static_cast<double>(s_.hw) * static_cast<double>(cut_.group_size);
    const Modulation modulation = modulation_of(arrays_, n);
    const float* added = added_row(n);
    for (int64_t g = 0; g < s_.groups; ++g) {
      double s1 = 0;
      double s2 = 0;
      for (int64_t k = 0; k < cut_.chunks; ++k) {
        s1 += sums_[n * cut_.chunks + k][2 * g];
        s2 += sums_[n * cut_.chunks + k][2 * g + 1];
      }
      const double offset = s1 / count;
      const int64_t first = g * cut_.group_size;
      const double mean = static_cast<double>(pivot_[slot][first]) + value_or(added, first, 0) + offset;
      const double spread = s2 / count - offset * offset;
      const double variance = spread < 0 ? 0 : spread;  // keeps NaN
      const double rstd = 1 / std::sqrt(variance + static_cast<double>(s_.eps));
      if (arrays_.mean != nullptr) arrays_.mean[n * s_.groups + g] = static_cast<float>(mean);
      if (arrays_.rstd != nullptr) arrays_.rstd[n * s_.groups + g] = static_cast<float>(rstd);
      for (int64_t c = g * cut_.group_size; c < (g + 1) * cut_.group_size; ++c) {
        const double slope = rstd * value_or(arrays_.gamma, c, 1);
        const double gain = modulation.gain(c);
        a_[slot][c] = coefficient(slope * gain);
        b_[slot][c] =
            coefficient((value_or(arrays_.beta, c, 0) + (value_or(added, c, 0) - mean) * slope) * gain +
                        modulation.offset(c));
      }
    }
    if (arrays_.bytes != nullptr) settle_bytes(slot);
    repeat_row(a_[slot], s_.c, cut_.period);
    repeat_row(b_[slot], s_.c, cut_.period);
  }

  void write(int64_t n, int64_t chunk, int64_t slot) {
    if (arrays_.bytes != nullptr) return write_bytes(n, chunk, slot);
    rows::apply(chunk_of(s_, cut_, chunk),
                rows::Apply<T>{at(arrays_.x, n, chunk), a_[slot], b_[slot], at(arrays_.y, n, chunk), silu()});
  }

 private:
  template <class P>
  P* at(P* base, int64_t n, int64_t chunk) const {
    return base + (n * s_.hw + chunk * cut_.chunk_hw) * s_.c;
  }
  bool silu() const { return s_.activation == Activation::silu; }

  // What makes bytes of the result: after SiLU an operation of its own, else part of a and b.
  void settle_bytes(int64_t slot) {
    const BytePicture& to = *arrays_.bytes;
    if (silu()) {
      std::copy_n(to.gain, s_.c, gain_[slot]);
      std::copy_n(to.offset, s_.c, offset_[slot]);
      repeat_row(gain_[slot], s_.c, cut_.period);
      repeat_row(offset_[slot], s_.c, cut_.period);
      return;
    }
    for (int64_t c = 0; c < s_.c; ++c) {
      a_[slot][c] *= to.gain[c];
      b_[slot][c] = b_[slot][c] * to.gain[c] + to.offset[c];
    }
  }

  void write_bytes(int64_t n, int64_t chunk, int64_t slot) {
    const int64_t begin = chunk * cut_.chunk_hw, end = std::min(s_.hw, begin + cut_.chunk_hw);
    const BytePicture& to = *arrays_.bytes;
    bytes::for_each_piece(to, n, s_.hw / to.w, s_.c, begin, end, [&](int64_t at, uint8_t* y, int64_t count) {
      rows::apply({static_cast<size_t>(count * s_.c), static_cast<size_t>(cut_.period)},
                  rows::ApplyBytes<T>{arrays_.x + (n * s_.hw + at) * s_.c, a_[slot], b_[slot], gain_[slot],
                                      offset_[slot], y, silu()});
    });
  }

  const float* added_row(int64_t n) const {
    return arrays_.added == nullptr ? nullptr : arrays_.added + n * arrays_.added_stride;
  }

  const GroupNormShape& s_;
  const Cut& cut_;
  const GroupNormForward<T>& arrays_;
  RowView<float> pivot_{}, a_{}, b_{}, gain_{}, offset_{};  // one row a slot
  RowView<float> lanes_{};                                  // one row a thread
  RowView<double> sums_{};  // a row a chunk: (sum, sum of squares) of every group
};

template <class T>
class Backward {
 public:
  Backward(const GroupNormShape& s, const Cut& cut, const GroupNormBackward<T>& arrays, int64_t slots,
           int threads)
      : s_(s),
        cut_(cut),
        arrays_(arrays),
        a_(slots, cut.period),
        b_(slots, cut.period),
        mean_(slots, cut.period),
        c_(slots, cut.period),
        d_(slots, cut.period),
        lanes_(threads, 2 * cut.period),
        sums_(s.n * cut.chunks, 2 * s.c),
        samples_(s.n, 2 * s.c) {}

  void prepare(int64_t n, int64_t slot) {
    const Modulation modulation = modulation_of(arrays_, n);
    for (int64_t c = 0; c < s_.c; ++c) {
      const int64_t group = n * s_.groups + c / cut_.group_size;
      const double mean = static_cast<double>(arrays_.mean[group]);
      const double slope = static_cast<double>(arrays_.rstd[group]) * value_or(arrays_.gamma, c, 1);
      const double gain = modulation.gain(c);
      a_[slot][c] = coefficient(slope * gain);
      b_[slot][c] = coefficient((value_or(arrays_.beta, c, 0) - mean * slope) * gain + modulation.offset(c));
      mean_[slot][c] = coefficient(mean);
    }
    for (float* row : {a_[slot], b_[slot], mean_[slot]}) repeat_row(row, s_.c, cut_.period);
  }

  void gather(int64_t n, int64_t chunk, int64_t slot, int thread) {
    float* sum = lanes_[thread];
    float* sum2 = sum + cut_.period;
    rows::gradient_sums(chunk_of(s_, cut_, chunk), {at(arrays_.x, n, chunk), at(arrays_.dy, n, chunk),
                                                    a_[slot], b_[slot], mean_[slot], sum, sum2, silu()});
    float* out = sums_[n * cut_.chunks + chunk];
    for (int64_t half = 0; half < 2; ++half, out += s_.c, sum = sum2) {
      std::copy_n(sum, s_.c, out);
      for (int64_t base = s_.c; base < cut_.period; base += s_.c) {
        for (int64_t c = 0; c < s_.c; ++c) out[c] += sum[base + c];
      }
    }
  }

  void settle(int64_t n, int64_t slot) {
    const Modulation modulation = modulation_of(arrays_, n);
    const double count = static_cast<double>(s_.hw) * static_cast<double>(cut_.group_size);
    for (int64_t g = 0; g < s_.groups; ++g) {
      const double rstd = static_cast<double>(arrays_.rstd[n * s_.groups + g]);
      double m1 = 0;  // group means of dxhat and of dxhat * xhat
      double m2 = 0;
      for (int64_t c = g * cut_.group_size; c < (g + 1) * cut_.group_size; ++c) {
        double s1 = 0;  // sums over the positions of dz and of dz * xhat
        double s2 = 0;
        for (int64_t k = 0; k < cut_.chunks; ++k) {
          const float* sums = sums_[n * cut_.chunks + k];
          s1 += static_cast<double>(sums[c]);
          s2 += static_cast<double>(sums[s_.c + c]);
        }
        s2 *= rstd;
        const double gamma = value_or(arrays_.gamma, c, 1);
        const double gain = modulation.gain(c);
        m1 += gamma * gain * s1;
        m2 += gamma * gain * s2;
        const int64_t row = n * arrays_.gradient_stride + c;
        if (arrays_.dshift != nullptr) arrays_.dshift[row] = static_cast<float>(s1);
        if (arrays_.dscale != nullptr) {
          arrays_.dscale[row] = static_cast<float>(gamma * s2 + value_or(arrays_.beta, c, 0) * s1);
        }
        samples_[n][c] = static_cast<float>(gain * s1);
        samples_[n][s_.c + c] = static_cast<float>(gain * s2);
      }
      std::fill_n(c_[slot] + g * cut_.group_size, cut_.group_size, coefficient(-rstd * rstd * m2 / count));
      std::fill_n(d_[slot] + g * cut_.group_size, cut_.group_size, coefficient(-rstd * m1 / count));
    }
    for (float* row : {c_[slot], d_[slot]}) repeat_row(row, s_.c, cut_.period);
  }

  void write(int64_t n, int64_t chunk, int64_t slot) {
    if (arrays_.dx == nullptr) return;
    rows::gradient_apply(chunk_of(s_, cut_, chunk),
                         {at(arrays_.x, n, chunk), at(arrays_.dy, n, chunk), a_[slot], b_[slot], mean_[slot],
                          c_[slot], d_[slot], at(arrays_.dx, n, chunk), silu()});
  }

  // dgamma and dbeta: the samples' shares, added in the order of the samples.
  void reduce_samples(int threads) {
    constexpr int64_t kBlock = 64;
    parallel_for((s_.c + kBlock - 1) / kBlock, s_.n * s_.c <= kChunk ? 1 : threads, [&](int64_t block, int) {
      const int64_t first = block * kBlock;
      const int64_t width = std::min(kBlock, s_.c - first);
      double beta[kBlock] = {};
      double gamma[kBlock] = {};
      for (int64_t n = 0; n < s_.n; ++n) {
        const float* row = samples_[n] + first;
        for (int64_t c = 0; c < width; ++c) beta[c] += static_cast<double>(row[c]);
        for (int64_t c = 0; c < width; ++c) gamma[c] += static_cast<double>(row[s_.c + c]);
      }
      for (int64_t c = 0; c < width; ++c) {
        if (arrays_.dbeta != nullptr) arrays_.dbeta[first + c] = static_cast<float>(beta[c]);
        if (arrays_.dgamma != nullptr) arrays_.dgamma[first + c] = static_cast<float>(gamma[c]);
      }
    });
  }

 private:
  bool silu() const { return s_.activation == Activation::silu; }

  template <class P>
  P* at(P* base, int64_t n, int64_t chunk) const {
    return base + (n * s_.hw + chunk * cut_.chunk_hw) * s_.c;
  }

  const GroupNormShape& s_;
  const Cut& cut_;
  const GroupNormBackward<T>& arrays_;
  Rows<float> a_, b_, mean_, c_, d_;  // one row a slot
  Rows<float> lanes_;                 // one row a thread
  Rows<float> sums_;                  // a row a chunk: sums of dz, then of dz * (x - mean), for every channel
  Rows<float> samples_;               // a row a sample: its shares of dbeta, then of dgamma
};

ForwardLayout forward_layout(const GroupNormShape& s, const Cut& cut) {
  const int threads = threads_for(s.n * s.hw * s.c);
  return {prefer_sample_a_thread(s, cut, threads) ? threads : s.n, threads};
}

template <class T>
void forward(const GroupNormShape& s, const GroupNormForward<T>& arrays) {
  check_shape(s, "group_norm_silu");
  const BytePicture* bytes = arrays.bytes;
  check(arrays.x != nullptr && (bytes != nullptr ? bytes->y != nullptr : arrays.y != nullptr),
        "group_norm_silu", "x and y must not be null");
  check(bytes == nullptr || (bytes->w > 0 && s.hw % bytes->w == 0), "group_norm_silu",
        "{} positions are no rows of {}", s.hw, bytes == nullptr ? 0 : bytes->w);
  const Cut cut = cut_up(s);
  const int threads = threads_for(s.n * s.hw * s.c);
  const bool alone = prefer_sample_a_thread(s, cut, threads);
  const ForwardLayout layout = forward_layout(s, cut);
  std::unique_ptr<double[]> own;
  if (arrays.workspace == nullptr)
    own = std::make_unique_for_overwrite<double[]>(static_cast<size_t>(layout.bytes(s, cut) + 7) / 8);
  Forward<T> pass(s, cut, arrays, layout, own ? own.get() : arrays.workspace);
  run_phases(pass, s, cut, threads, alone);
}

template <class T>
void backward(const GroupNormShape& s, const GroupNormBackward<T>& arrays) {
  const char* const function = "group_norm_silu_backward";
  check_shape(s, function);
  check(arrays.x != nullptr && arrays.dy != nullptr && arrays.mean != nullptr && arrays.rstd != nullptr,
        function, "x, dy, mean and rstd must not be null");
  const bool modulated = arrays.dscale != nullptr || arrays.dshift != nullptr;
  check(!modulated || s.n == 1 || arrays.gradient_stride >= s.c, function,
        "gradient_stride must be at least {} channels, got {}", s.c, arrays.gradient_stride);
  const Cut cut = cut_up(s);
  const int threads = threads_for(s.n * s.hw * s.c);
  const bool alone = prefer_sample_a_thread(s, cut, threads);
  Backward<T> pass(s, cut, arrays, alone ? threads : s.n, threads);
  run_phases(pass, s, cut, threads, alone);
  if (arrays.dgamma != nullptr || arrays.dbeta != nullptr) pass.reduce_samples(threads);
}

}  // namespace

int64_t group_norm_workspace(const GroupNormShape& shape) {
  check_shape(shape, "group_norm_workspace");
  const Cut cut = cut_up(shape);
  return forward_layout(shape, cut).bytes(shape, cut);
}

void group_norm_silu(const GroupNormShape& shape, const GroupNormForward<float>& arrays) {
  forward(shape, arrays);
}
void group_norm_silu(const GroupNormShape& shape, const GroupNormForward<BF16>& arrays) {
  forward(shape, arrays);
}
void group_norm_silu_backward(const GroupNormShape& shape, const GroupNormBackward<float>& arrays) {
  backward(shape, arrays);
}
void group_norm_silu_backward(const GroupNormShape& shape, const GroupNormBackward<BF16>& arrays) {
  backward(shape, arrays);
}

}  // namespace langevin
