#include "langevin/eval/products.h"

#include <algorithm>
#include <limits>
#include <oneapi/dnnl/dnnl.hpp>

#include "langevin/core/check.h"

namespace langevin {
namespace {

size_t at(int64_t i) { return static_cast<size_t>(i); }

std::vector<double> mean_of(const HostArrayF& x) {
  std::vector<double> mean(at(x.sample_size()), 0.0);
  for (int64_t i = 0; i < x.batch(); ++i) {
    const auto row = x.sample(i);
    for (size_t j = 0; j < mean.size(); ++j) mean[j] += row[j] / static_cast<double>(x.batch());
  }
  return mean;
}

HostArrayF around(const HostArrayF& x, const std::vector<double>& centre) {
  HostArrayF moved = x;
  for (int64_t i = 0; i < x.batch(); ++i) {
    const auto row = moved.sample(i);
    for (size_t j = 0; j < centre.size(); ++j) row[j] = static_cast<float>(row[j] - centre[j]);
  }
  return moved;
}

std::vector<float> squares(const HostArrayF& x) {
  std::vector<float> sums;
  for (int64_t i = 0; i < x.batch(); ++i) {
    double sum = 0;
    for (const float value : x.sample(i)) sum += static_cast<double>(value) * value;
    sums.push_back(static_cast<float>(sum));
  }
  return sums;
}

}  // namespace

void product_of_rows(std::span<const float> x, std::span<const float> y, int64_t dim, std::span<float> out) {
  const auto n = static_cast<int64_t>(x.size()) / dim, m = static_cast<int64_t>(y.size()) / dim;
  check(static_cast<int64_t>(out.size()) == n * m, "product_of_rows", "{} values for {} x {}", out.size(), n,
        m);
  if (n == 0 || m == 0) return;
  const dnnl::status status =
      dnnl::sgemm('N', 'T', n, m, dim, 1.0F, x.data(), dim, y.data(), dim, 0.0F, out.data(), m);
  check(status == dnnl::status::success, "product_of_rows", "oneDNN fails with status {}",
        static_cast<int>(status));
}

void each_distances(const HostArrayF& x, const HostArrayF& y, const UseDistances& use) {
  check(x.sample_size() == y.sample_size(), "distances", "{} and {} features are not of one network",
        x.sample_size(), y.sample_size());
  constexpr int64_t kRows = 256;
  const std::vector<double> centre = mean_of(x);
  const HostArrayF a = around(x, centre), b = around(y, centre);
  const std::vector<float> aa = squares(a), bb = squares(b);
  const int64_t m = b.batch(), d = a.sample_size();
  std::vector<float> block(at(std::min(kRows, a.batch()) * m));
  for (int64_t first = 0; first < a.batch(); first += kRows) {
    const int64_t count = std::min(kRows, a.batch() - first);
    const std::span<float> part = std::span(block).first(at(count * m));
    product_of_rows(a.data().subspan(at(first * d), at(count * d)), b.data(), d, part);
    for (int64_t i = 0; i < count; ++i) {
      float* row = part.data() + i * m;
      for (int64_t j = 0; j < m; ++j) row[j] = std::max(0.0F, aa[at(first + i)] + bb[at(j)] - 2 * row[j]);
    }
    use(first, count, part);
  }
}

std::vector<float> neighbour_distances(const HostArrayF& x, int64_t k) {
  check(k >= 1 && k < x.batch(), "neighbour_distances", "{} pictures have no {}-th neighbour", x.batch(), k);
  std::vector<float> found(at(x.batch())), row(at(x.batch()));
  each_distances(x, x, [&](int64_t first, int64_t count, std::span<const float> squared) {
    for (int64_t i = 0; i < count; ++i) {
      std::copy_n(squared.data() + i * x.batch(), x.batch(), row.begin());
      row[at(first + i)] = std::numeric_limits<float>::infinity();  // itself
      std::nth_element(row.begin(), row.begin() + (k - 1), row.end());
      found[at(first + i)] = row[at(k - 1)];
    }
  });
  return found;
}

}  // namespace langevin
