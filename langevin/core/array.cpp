#include "langevin/core/array.h"

#include <algorithm>
#include <cmath>

namespace langevin {
namespace {

template <class T>
void check_same_shape(const HostArray<T>& x, const HostArray<T>& y, std::string_view function) {
  check(x.shape() == y.shape(), function, "needs arrays of one shape, got {} and {}", to_string(x.shape()),
        to_string(y.shape()));
}

// Calls f(sample, first element, one past the last element).
template <class T, class F>
void for_each_sample(const HostArray<T>& x, F f) {
  const int64_t size = x.sample_size();
  for (int64_t i = 0; i < x.batch(); ++i) f(i, i * size, (i + 1) * size);
}

}  // namespace

int64_t element_count(const Shape& shape) {
  constexpr int64_t kLimit = int64_t{1} << 62;
  int64_t count = 1;
  bool empty = false;
  for (const int64_t extent : shape) {
    check(extent >= 0, "element_count", "extents must not be negative, got {}", to_string(shape));
    if (extent == 0) {
      empty = true;
      continue;
    }
    check(count <= kLimit / extent, "element_count", "shape {} has more than 2^62 elements",
          to_string(shape));
    count *= extent;
  }
  return empty ? 0 : count;
}

std::string to_string(const Shape& shape) {
  return fmt::format("({}{})", fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
}

template <class T>
HostArray<T>::HostArray(Shape shape, T value)
    : shape_(std::move(shape)), data_(static_cast<size_t>(element_count(shape_)), value) {
  check(!shape_.empty(), "HostArray", "needs at least the batch dimension, got a shape without extents");
}

template <class T>
HostArray<T>::HostArray(Shape shape, std::vector<T> data) : shape_(std::move(shape)), data_(std::move(data)) {
  check(!shape_.empty(), "HostArray", "needs at least the batch dimension, got a shape without extents");
  const int64_t count = element_count(shape_);
  check(count == static_cast<int64_t>(data_.size()), "HostArray", "shape {} needs {} values, got {}",
        to_string(shape_), count, data_.size());
}

// Coefficients are rounded to T once a sample and the sum is taken in T, from left to right: what a tensor
// library does with a scalar times a float tensor.
template <class T>
HostArray<T> lincomb(const Coef& a, const HostArray<T>& x) {
  a.check_batch(x.batch());
  HostArray<T> out = x;
  for_each_sample(x, [&](int64_t i, int64_t first, int64_t last) {
    const T ai = static_cast<T>(a[i]);
    for (int64_t j = first; j < last; ++j) out[j] = ai * x[j];
  });
  return out;
}

template <class T>
HostArray<T> lincomb(const Coef& a, const HostArray<T>& x, const Coef& b, const HostArray<T>& y) {
  check_same_shape(x, y, "lincomb");
  a.check_batch(x.batch());
  b.check_batch(x.batch());
  HostArray<T> out = x;
  for_each_sample(x, [&](int64_t i, int64_t first, int64_t last) {
    const T ai = static_cast<T>(a[i]), bi = static_cast<T>(b[i]);
    for (int64_t j = first; j < last; ++j) out[j] = ai * x[j] + bi * y[j];
  });
  return out;
}

template <class T>
HostArray<T> lincomb(const Coef& a, const HostArray<T>& x, const Coef& b, const HostArray<T>& y,
                     const Coef& c, const HostArray<T>& z) {
  check_same_shape(x, y, "lincomb");
  check_same_shape(x, z, "lincomb");
  a.check_batch(x.batch());
  b.check_batch(x.batch());
  c.check_batch(x.batch());
  HostArray<T> out = x;
  for_each_sample(x, [&](int64_t i, int64_t first, int64_t last) {
    const T ai = static_cast<T>(a[i]), bi = static_cast<T>(b[i]), ci = static_cast<T>(c[i]);
    for (int64_t j = first; j < last; ++j) out[j] = ai * x[j] + bi * y[j] + ci * z[j];
  });
  return out;
}

template <class T>
HostArray<T> clamp(const HostArray<T>& x, const Coef& lo, const Coef& hi) {
  lo.check_batch(x.batch());
  hi.check_batch(x.batch());
  HostArray<T> out = x;
  for_each_sample(x, [&](int64_t i, int64_t first, int64_t last) {
    const T a = static_cast<T>(lo[i]), b = static_cast<T>(hi[i]);
    check(a <= b, "clamp", "the lower bound must not be above the upper one, got {} and {}", lo[i], hi[i]);
    // Comparisons that are false for NaN leave it in place: a diverged sample stays visible.
    for (int64_t j = first; j < last; ++j) out[j] = x[j] < a ? a : b < x[j] ? b : x[j];
  });
  return out;
}

template <class T>
std::vector<double> abs_quantile(const HostArray<T>& x, double q) {
  check(q >= 0 && q <= 1, "abs_quantile", "q must be in [0, 1], got {}", q);
  check(x.batch() == 0 || x.sample_size() > 0, "abs_quantile", "samples are empty, shape {}",
        to_string(x.shape()));
  std::vector<double> result;
  result.reserve(static_cast<size_t>(x.batch()));
  std::vector<T> magnitude(static_cast<size_t>(x.sample_size()));
  for (int64_t i = 0; i < x.batch(); ++i) {
    const auto sample = x.sample(i);
    bool nan = false;
    for (size_t j = 0; j < sample.size(); ++j) {
      magnitude[j] = std::abs(sample[j]);
      nan = nan || std::isnan(sample[j]);
    }
    if (nan) {  // has no order; the quantile of a sample that holds one is NaN, as in other libraries
      result.push_back(std::nan(""));
      continue;
    }
    const double rank = q * static_cast<double>(magnitude.size() - 1);
    const auto below = magnitude.begin() + static_cast<std::ptrdiff_t>(std::floor(rank));
    std::nth_element(magnitude.begin(), below, magnitude.end());
    const double low = *below, weight = rank - std::floor(rank);
    const double high = weight > 0 ? *std::min_element(below + 1, magnitude.end()) : low;
    result.push_back(high == low ? low : low + weight * (high - low));  // also when both are infinite
  }
  return result;
}

template <class T>
HostArray<T> select(const HostArray<T>& mask, const HostArray<T>& a, const HostArray<T>& b) {
  check_same_shape(mask, a, "select");
  check_same_shape(mask, b, "select");
  HostArray<T> out = a;
  for (int64_t j = 0; j < out.size(); ++j) {
    if (mask[j] == T(0)) out[j] = b[j];
  }
  return out;
}

template <class T>
HostArray<T> exp_scaled(const HostArray<T>& x, const HostArray<T>& y, const Coef& a, const Coef& b) {
  check_same_shape(x, y, "exp_scaled");
  a.check_batch(x.batch());
  b.check_batch(x.batch());
  HostArray<T> out = x;
  for_each_sample(x, [&](int64_t i, int64_t first, int64_t last) {
    const T slope = static_cast<T>(a[i]), offset = static_cast<T>(b[i]);
    for (int64_t j = first; j < last; ++j) out[j] = x[j] * std::exp(slope * y[j] + offset);
  });
  return out;
}

template <class T>
std::vector<double> norm(const HostArray<T>& x) {
  std::vector<double> result;
  result.reserve(static_cast<size_t>(x.batch()));
  for (int64_t i = 0; i < x.batch(); ++i) {
    double sum = 0;
    for (const T value : x.sample(i)) sum += static_cast<double>(value) * static_cast<double>(value);
    result.push_back(std::sqrt(sum));
  }
  return result;
}

template <class T>
HostArray<T> noise_like(const HostArray<T>& x, const NoiseKey& key) {
  HostArray<T> out = x;
  for (int64_t i = 0; i < x.batch(); ++i) {
    NoiseKey mine = key;
    mine.sample += static_cast<uint64_t>(i);
    fill_normal(out.sample(i), mine);
  }
  return out;
}

#define LANGEVIN_INSTANTIATE(T)                                                                         \
  template class HostArray<T>;                                                                          \
  template HostArray<T> lincomb(const Coef&, const HostArray<T>&);                                      \
  template HostArray<T> lincomb(const Coef&, const HostArray<T>&, const Coef&, const HostArray<T>&);    \
  template HostArray<T> lincomb(const Coef&, const HostArray<T>&, const Coef&, const HostArray<T>&,     \
                                const Coef&, const HostArray<T>&);                                      \
  template HostArray<T> clamp(const HostArray<T>&, const Coef&, const Coef&);                           \
  template std::vector<double> abs_quantile(const HostArray<T>&, double);                               \
  template HostArray<T> select(const HostArray<T>&, const HostArray<T>&, const HostArray<T>&);          \
  template HostArray<T> exp_scaled(const HostArray<T>&, const HostArray<T>&, const Coef&, const Coef&); \
  template std::vector<double> norm(const HostArray<T>&);                                               \
  template HostArray<T> noise_like(const HostArray<T>&, const NoiseKey&);
LANGEVIN_INSTANTIATE(float)
LANGEVIN_INSTANTIATE(double)
#undef LANGEVIN_INSTANTIATE

}  // namespace langevin
