// The Array concept (contract 3): all that samplers and the forward process know about data. The same sampler
// runs on plain memory (HostArray, below), on libtorch tensors and on a GPU (torch/torch_array.h).
//
// An array is a batch: dimension 0 counts samples, the rest is one sample (C,H,W / C,L / C,T,H,W / D).
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "langevin/core/check.h"
#include "langevin/core/rng.h"

namespace langevin {

using Shape = std::vector<int64_t>;

/// Product of the extents; throws if one is negative or the product overflows 2^62.
int64_t element_count(const Shape& shape);
std::string to_string(const Shape& shape);  // "(8, 3, 32, 32)"

/// A coefficient of a linear combination: one number for the batch, or one number per sample.
class Coef {
 public:
  Coef(double value) : values_{value} {}  // NOLINT: implicit by design
  Coef(std::vector<double> per_sample) : values_(std::move(per_sample)), per_sample_(true) {}  // NOLINT
  bool per_sample() const { return per_sample_; }
  double operator[](int64_t sample) const { return values_[per_sample_ ? static_cast<size_t>(sample) : 0]; }
  std::span<const double> values() const { return values_; }
  /// Throws unless it is a scalar or has exactly `batch` values.
  void check_batch(int64_t batch) const {
    check(!per_sample_ || static_cast<int64_t>(values_.size()) == batch, "Coef",
          "needs one value per sample ({}), got {}", batch, values_.size());
  }

 private:
  std::vector<double> values_;
  bool per_sample_ = false;
};

template <class A>
concept Array = std::copyable<A> && requires(const A& x, const Coef& c, double q, const NoiseKey& key) {
  { shape_of(x) } -> std::convertible_to<Shape>;
  { lincomb(c, x) } -> std::same_as<A>;                         // c x
  { lincomb(c, x, c, x) } -> std::same_as<A>;                   // a x + b y
  { lincomb(c, x, c, x, c, x) } -> std::same_as<A>;             // a x + b y + c z
  { clamp(x, c, c) } -> std::same_as<A>;                        // into [lo, hi], per sample
  { abs_quantile(x, q) } -> std::same_as<std::vector<double>>;  // per sample, linear interpolation, of |x|
  { select(x, x, x) } -> std::same_as<A>;                       // mask != 0 ? a : b
  { exp_scaled(x, x, c, c) } -> std::same_as<A>;     // x e^(a y + b): noise of a given log-variance
  { norm(x) } -> std::same_as<std::vector<double>>;  // per sample, L2
  { noise_like(x, key) } -> std::same_as<A>;         // sample i: standard normal of key with sample + i
};

inline int64_t batch_size(const Array auto& x) { return shape_of(x).at(0); }

/// Plain memory: contiguous, row-major, value semantics. T is float or double.
template <class T>
class HostArray {
 public:
  HostArray() = default;
  explicit HostArray(Shape shape, T value = T(0));
  HostArray(Shape shape, std::vector<T> data);  // throws unless data fits the shape

  const Shape& shape() const { return shape_; }
  int64_t size() const { return static_cast<int64_t>(data_.size()); }
  int64_t batch() const { return shape_.empty() ? 0 : shape_[0]; }
  int64_t sample_size() const { return batch() == 0 ? 0 : size() / batch(); }
  std::span<T> data() { return data_; }
  std::span<const T> data() const { return data_; }
  std::span<T> sample(int64_t i) { return data().subspan(offset(i), static_cast<size_t>(sample_size())); }
  std::span<const T> sample(int64_t i) const {
    return data().subspan(offset(i), static_cast<size_t>(sample_size()));
  }
  T& operator[](int64_t i) { return data_[static_cast<size_t>(i)]; }
  const T& operator[](int64_t i) const { return data_[static_cast<size_t>(i)]; }

 private:
  size_t offset(int64_t i) const { return static_cast<size_t>(i * sample_size()); }
  Shape shape_;
  std::vector<T> data_;
};

using HostArrayF = HostArray<float>;
using HostArrayD = HostArray<double>;

/// Samples first .. first + count - 1; Error if x has not so many.
template <class T>
HostArray<T> rows(const HostArray<T>& x, int64_t first, int64_t count) {
  check(first >= 0 && count >= 0 && first + count <= x.batch(), "rows", "{} samples from {} on, of {}", count,
        first, x.batch());
  Shape shape = x.shape();
  shape[0] = count;
  const auto data = x.data().subspan(static_cast<size_t>(first * x.sample_size()),
                                     static_cast<size_t>(count * x.sample_size()));
  return {shape, std::vector<T>(data.begin(), data.end())};
}

/// `count` copies of a single sample (1, ...); Error if x holds more.
template <class T>
HostArray<T> repeat(const HostArray<T>& x, int64_t count) {
  check(x.batch() == 1 && count >= 0, "repeat", "needs a single sample and a count, got {} and {}",
        to_string(x.shape()), count);
  Shape shape = x.shape();
  shape[0] = count;
  std::vector<T> data;
  data.reserve(static_cast<size_t>(x.size() * count));
  for (int64_t i = 0; i < count; ++i) data.insert(data.end(), x.data().begin(), x.data().end());
  return {std::move(shape), std::move(data)};
}

/// Entries first .. first + count - 1 of the second axis; Error if x has not so many.
template <class T>
HostArray<T> channels(const HostArray<T>& x, int64_t first, int64_t count) {
  const Shape& from = x.shape();
  check(from.size() >= 2 && first >= 0 && count >= 0 && first + count <= from[1], "channels",
        "{} channels from {} on, of {}", count, first, to_string(from));
  Shape shape = from;
  shape[1] = count;
  HostArray<T> out(shape);
  const int64_t each = from[1] == 0 ? 0 : x.sample_size() / from[1];
  for (int64_t i = 0; i < x.batch(); ++i) {
    const auto part =
        x.sample(i).subspan(static_cast<size_t>(first * each), static_cast<size_t>(count * each));
    std::copy(part.begin(), part.end(), out.sample(i).begin());
  }
  return out;
}

/// x before y along the second axis; Error unless all other extents agree.
template <class T>
HostArray<T> join_channels(const HostArray<T>& x, const HostArray<T>& y) {
  Shape shape = x.shape(), rest = y.shape();
  check(shape.size() >= 2 && rest.size() == shape.size(), "join_channels", "cannot join {} and {}",
        to_string(shape), to_string(rest));
  check(rest[0] == shape[0] && std::equal(shape.begin() + 2, shape.end(), rest.begin() + 2), "join_channels",
        "cannot join {} and {}", to_string(x.shape()), to_string(y.shape()));
  shape[1] += rest[1];
  HostArray<T> out(shape);
  for (int64_t i = 0; i < x.batch(); ++i) {
    const auto end = std::copy(x.sample(i).begin(), x.sample(i).end(), out.sample(i).begin());
    std::copy(y.sample(i).begin(), y.sample(i).end(), end);
  }
  return out;
}

template <class T>
Shape shape_of(const HostArray<T>& x) {
  return x.shape();
}
/// Coefficients are rounded to T first; sums run from left to right in T.
template <class T>
HostArray<T> lincomb(const Coef& a, const HostArray<T>& x);
template <class T>
HostArray<T> lincomb(const Coef& a, const HostArray<T>& x, const Coef& b, const HostArray<T>& y);
template <class T>
HostArray<T> lincomb(const Coef& a, const HostArray<T>& x, const Coef& b, const HostArray<T>& y,
                     const Coef& c, const HostArray<T>& z);
/// NaN stays NaN, here and in abs_quantile, so that a diverged sample stays visible. Error if lo > hi.
template <class T>
HostArray<T> clamp(const HostArray<T>& x, const Coef& lo, const Coef& hi);
template <class T>
std::vector<double> abs_quantile(const HostArray<T>& x, double q);
template <class T>
HostArray<T> select(const HostArray<T>& mask, const HostArray<T>& a, const HostArray<T>& b);
template <class T>
HostArray<T> exp_scaled(const HostArray<T>& x, const HostArray<T>& y, const Coef& a, const Coef& b);
template <class T>
std::vector<double> norm(const HostArray<T>& x);
template <class T>
HostArray<T> noise_like(const HostArray<T>& x, const NoiseKey& key);

}  // namespace langevin
