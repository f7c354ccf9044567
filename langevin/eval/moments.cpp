#include "langevin/eval/moments.h"

#include <algorithm>
#include <utility>

#include "langevin/core/check.h"

namespace langevin {
namespace {

size_t at(int64_t i) { return static_cast<size_t>(i); }

/// scatter += sum of x x^T over the rows of `centred` (N,D), on and above the diagonal. Four rows a pass: the
/// scatter, which is larger than the cache, is read a quarter as often.
void add_products(const std::vector<double>& centred, int64_t dim, std::vector<double>& scatter) {
  const int64_t count = static_cast<int64_t>(centred.size()) / dim;
  const std::vector<double> zeros(at(dim), 0.0);
  for (int64_t r = 0; r < count; r += 4) {
    const auto row = [&](int64_t k) { return k < count ? centred.data() + k * dim : zeros.data(); };
    const double *a = row(r), *b = row(r + 1), *c = row(r + 2), *d = row(r + 3);
    for (int64_t i = 0; i < dim; ++i) {
      double* sum = scatter.data() + i * dim;
      const double ai = a[i], bi = b[i], ci = c[i], di = d[i];
      for (int64_t j = i; j < dim; ++j) sum[j] += ai * a[j] + bi * b[j] + ci * c[j] + di * d[j];
    }
  }
}

}  // namespace

Moments::Moments(int64_t dim) : mean_(at(dim), 0.0), scatter_(at(dim * dim), 0.0) {
  check(dim >= 1, "Moments", "vectors have at least one value, got {}", dim);
}

Moments::Moments(int64_t count, std::vector<double> mean, std::vector<double> scatter)
    : count_(count), mean_(std::move(mean)), scatter_(std::move(scatter)) {
  check(count >= 0 && !mean_.empty() && scatter_.size() == mean_.size() * mean_.size(), "Moments",
        "{} values of the scatter of {} vectors of {} values", scatter_.size(), count, mean_.size());
}

/// Counts `count` more vectors of that mean, whose own scatter is in already.
void Moments::join(int64_t count, const std::vector<double>& mean) {
  if (count == 0) return;
  const int64_t d = dim(), all = count_ + count;
  const double weight = static_cast<double>(count_) * static_cast<double>(count) / static_cast<double>(all),
               share = static_cast<double>(count) / static_cast<double>(all);
  std::vector<double> away(at(d));
  for (size_t i = 0; i < away.size(); ++i) away[i] = mean[i] - mean_[i];
  for (int64_t i = 0; i < d && count_ > 0; ++i) {
    const double w = weight * away[at(i)];
    double* sum = scatter_.data() + i * d;
    for (int64_t j = i; j < d; ++j) sum[j] += w * away[at(j)];
  }
  for (size_t i = 0; i < away.size(); ++i) mean_[i] += share * away[i];
  count_ = all;
}

void Moments::add(std::span<const float> rows) {
  const int64_t d = dim(), n = static_cast<int64_t>(rows.size()) / d;
  check(n * d == static_cast<int64_t>(rows.size()), "Moments", "{} values are no vectors of {}", rows.size(),
        d);
  if (n == 0) return;
  std::vector<double> mean(at(d), 0.0), centred(rows.begin(), rows.end());
  for (int64_t r = 0; r < n; ++r) {
    for (int64_t i = 0; i < d; ++i) mean[at(i)] += centred[at(r * d + i)];
  }
  for (double& value : mean) value /= static_cast<double>(n);
  for (int64_t r = 0; r < n; ++r) {
    for (int64_t i = 0; i < d; ++i) centred[at(r * d + i)] -= mean[at(i)];
  }
  add_products(centred, d, scatter_);
  join(n, mean);
}

void Moments::merge(const Moments& other) {
  check(dim() == other.dim(), "Moments", "vectors of {} and of {} values do not belong together", dim(),
        other.dim());
  for (size_t i = 0; i < scatter_.size(); ++i) scatter_[i] += other.scatter_[i];
  join(other.count_, other.mean_);
}

GaussianFit Moments::gaussian() const {
  check(count_ >= 2, "covariance", "needs two vectors at least, got {}", count_);
  const int64_t d = dim();
  GaussianFit g{mean_, std::vector<double>(scatter_.size())};
  for (int64_t i = 0; i < d; ++i) {
    for (int64_t j = i; j < d; ++j) {
      g.covariance[at(i * d + j)] = g.covariance[at(j * d + i)] =
          scatter_[at(i * d + j)] / static_cast<double>(count_ - 1);
    }
  }
  return g;
}

Moments merged(std::span<const Moments> parts) {
  check(!parts.empty(), "Moments", "there are no vectors");
  Moments all = parts[0];
  for (const Moments& part : parts.subspan(1)) all.merge(part);
  return all;
}

}  // namespace langevin
