// The plain loops that group_norm_silu is held against: one term after the other, in double, nothing shared.
#include <algorithm>
#include <cmath>
#include <vector>

#include "langevin/kernels/group_norm_silu.h"

namespace langevin::reference {
namespace {

void put(float* to, double value) { *to = static_cast<float>(value); }
void put(BF16* to, double value) { *to = to_bf16(static_cast<float>(value)); }

double at(const float* array, int64_t index, double otherwise) {
  return array == nullptr ? otherwise : static_cast<double>(array[index]);
}

// Everything about one element that both directions need.
struct Point {
  double xhat = 0;
  double h = 0;
  double z = 0;
};

// x of the forward call, with what is added to it.
template <class T>
double value_of(const GroupNormShape& s, const GroupNormForward<T>& arrays, int64_t n, int64_t p, int64_t c) {
  return static_cast<double>(to_float(arrays.x[(n * s.hw + p) * s.c + c])) +
         at(arrays.added, n * arrays.added_stride + c, 0);
}

template <class T>
double value_of(const GroupNormShape& s, const GroupNormBackward<T>& arrays, int64_t n, int64_t p,
                int64_t c) {
  return static_cast<double>(to_float(arrays.x[(n * s.hw + p) * s.c + c]));
}

template <class Arrays>
Point point(const GroupNormShape& s, const Arrays& arrays, int64_t n, int64_t p, int64_t c, double mean,
            double rstd) {
  const int64_t row = n * arrays.modulation_stride + c;
  Point out;
  out.xhat = (value_of(s, arrays, n, p, c) - mean) * rstd;
  out.h = out.xhat * at(arrays.gamma, c, 1) + at(arrays.beta, c, 0);
  out.z = out.h * (1 + at(arrays.scale, row, 0)) + at(arrays.shift, row, 0);
  return out;
}

double sigmoid(double z) { return 1 / (1 + std::exp(-z)); }

/// The place of channel c at position p of sample n within its frame.
uint8_t* framed(const BytePicture& to, int64_t n, int64_t h, int64_t p, int64_t c, int64_t channel) {
  const int64_t row = to.frame.top + p / to.w, column = to.frame.left + p % to.w;
  return to.y + ((n * to.frame.height(h) + row) * to.frame.width(to.w) + column) * c + channel;
}

void fill_frames(const GroupNormShape& s, const BytePicture& to) {
  const int64_t positions = s.n * to.frame.height(s.hw / to.w) * to.frame.width(to.w);
  for (int64_t i = 0; i < positions * s.c; ++i) to.y[i] = to.zero[i % s.c];
}

template <class T>
void forward(const GroupNormShape& s, const GroupNormForward<T>& arrays) {
  if (arrays.bytes != nullptr) fill_frames(s, *arrays.bytes);
  const int64_t size = s.c / s.groups;
  const double count = static_cast<double>(s.hw * size);
  for (int64_t n = 0; n < s.n; ++n) {
    for (int64_t g = 0; g < s.groups; ++g) {
      double mean = 0;
      double variance = 0;
      const auto x = [&](int64_t p, int64_t i) { return value_of(s, arrays, n, p, g * size + i); };
      for (int64_t p = 0; p < s.hw; ++p)
        for (int64_t i = 0; i < size; ++i) mean += x(p, i) / count;
      for (int64_t p = 0; p < s.hw; ++p)
        for (int64_t i = 0; i < size; ++i) variance += (x(p, i) - mean) * (x(p, i) - mean) / count;
      const double rstd = 1 / std::sqrt(variance + static_cast<double>(s.eps));
      if (arrays.mean != nullptr) put(arrays.mean + n * s.groups + g, mean);
      if (arrays.rstd != nullptr) put(arrays.rstd + n * s.groups + g, rstd);
      for (int64_t p = 0; p < s.hw; ++p) {
        for (int64_t c = g * size; c < (g + 1) * size; ++c) {
          const double z = point(s, arrays, n, p, c, mean, rstd).z;
          const double y = s.activation == Activation::silu ? z * sigmoid(z) : z;
          if (arrays.bytes != nullptr) {
            *framed(*arrays.bytes, n, s.hw / arrays.bytes->w, p, s.c, c) = byte_of(y, *arrays.bytes, c);
          } else {
            put(arrays.y + (n * s.hw + p) * s.c + c, y);
          }
        }
      }
    }
  }
}

// The gradient of z at one element.
template <class T>
double dz_of(const GroupNormShape& s, const GroupNormBackward<T>& arrays, int64_t index, double z) {
  const double dy = static_cast<double>(to_float(arrays.dy[index]));
  const double y = sigmoid(z);
  return s.activation == Activation::silu ? dy * y * (1 + z * (1 - y)) : dy;
}

template <class T>
void backward(const GroupNormShape& s, const GroupNormBackward<T>& arrays) {
  const int64_t size = s.c / s.groups;
  const double count = static_cast<double>(s.hw * size);
  std::vector<double> dgamma(static_cast<size_t>(s.c)), dbeta(dgamma), dscale(dgamma), dshift(dgamma);
  for (int64_t n = 0; n < s.n; ++n) {
    std::fill(dscale.begin(), dscale.end(), 0.0);
    std::fill(dshift.begin(), dshift.end(), 0.0);
    std::vector<double> dxhat(static_cast<size_t>(s.hw * s.c));
    std::vector<double> m1(static_cast<size_t>(s.groups)), m2(m1);
    const auto point_at = [&](int64_t p, int64_t c) {
      const int64_t group = n * s.groups + c / size;
      return point(s, arrays, n, p, c, static_cast<double>(arrays.mean[group]),
                   static_cast<double>(arrays.rstd[group]));
    };
    for (int64_t p = 0; p < s.hw; ++p) {
      for (int64_t c = 0; c < s.c; ++c) {
        const Point q = point_at(p, c);
        const double dz = dz_of(s, arrays, (n * s.hw + p) * s.c + c, q.z);
        const double dh = dz * (1 + at(arrays.scale, n * arrays.modulation_stride + c, 0));
        const auto i = static_cast<size_t>(c);
        dshift[i] += dz;
        dscale[i] += dz * q.h;
        dbeta[i] += dh;
        dgamma[i] += dh * q.xhat;
        const double d = dh * at(arrays.gamma, c, 1);
        dxhat[static_cast<size_t>(p * s.c + c)] = d;
        m1[static_cast<size_t>(c / size)] += d / count;
        m2[static_cast<size_t>(c / size)] += d * q.xhat / count;
      }
    }
    for (int64_t p = 0; p < s.hw && arrays.dx != nullptr; ++p) {
      for (int64_t c = 0; c < s.c; ++c) {
        const auto g = static_cast<size_t>(c / size);
        const double rstd = static_cast<double>(arrays.rstd[n * s.groups + c / size]);
        const double d = dxhat[static_cast<size_t>(p * s.c + c)];
        put(arrays.dx + (n * s.hw + p) * s.c + c, rstd * (d - m1[g] - point_at(p, c).xhat * m2[g]));
      }
    }
    for (int64_t c = 0; c < s.c; ++c) {
      const int64_t row = n * arrays.gradient_stride + c;
      if (arrays.dscale != nullptr) put(arrays.dscale + row, dscale[static_cast<size_t>(c)]);
      if (arrays.dshift != nullptr) put(arrays.dshift + row, dshift[static_cast<size_t>(c)]);
    }
  }
  for (int64_t c = 0; c < s.c; ++c) {
    if (arrays.dgamma != nullptr) put(arrays.dgamma + c, dgamma[static_cast<size_t>(c)]);
    if (arrays.dbeta != nullptr) put(arrays.dbeta + c, dbeta[static_cast<size_t>(c)]);
  }
}

}  // namespace

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

}  // namespace langevin::reference
