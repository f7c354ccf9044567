#include "langevin/eval/kid.h"

#include <algorithm>
#include <cmath>

#include "langevin/core/check.h"
#include "langevin/eval/products.h"

namespace langevin {
namespace {

/// The sum of the kernel over all pairs of rows; of a set with itself without the rows' pairs with
/// themselves.
double kernel_sum(const HostArrayF& x, const HostArrayF& y, bool same) {
  const int64_t d = x.sample_size(), n = x.batch(), m = y.batch();
  std::vector<float> products(static_cast<size_t>(n * m));
  product_of_rows(x.data(), y.data(), d, products);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < m; ++j) {
      if (same && i == j) continue;
      const double base = products[static_cast<size_t>(i * m + j)] / static_cast<double>(d) + 1;
      sum += base * base * base;
    }
  }
  return sum;
}

}  // namespace

double squared_mmd(const HostArrayF& x, const HostArrayF& y) {
  const auto n = static_cast<double>(x.batch()), m = static_cast<double>(y.batch());
  check(n >= 2 && m >= 2 && x.sample_size() == y.sample_size(), "kid",
        "{} and {} pictures with {} and {} features", x.batch(), y.batch(), x.sample_size(), y.sample_size());
  return kernel_sum(x, x, true) / (n * (n - 1)) + kernel_sum(y, y, true) / (m * (m - 1)) -
         2 * kernel_sum(x, y, false) / (n * m);
}

Kid kid(const HostArrayF& x, const HostArrayF& y) {
  const int64_t n = std::min(x.batch(), y.batch());
  check(n >= 4, "kid", "needs 4 pictures of each kind, got {} and {}", x.batch(), y.batch());
  Kid result;
  result.blocks = std::max<int64_t>(std::min<int64_t>(10, n / 2), (n + 999) / 1000);
  result.block_size = n / result.blocks;
  std::vector<double> values;
  for (int64_t b = 0; b < result.blocks; ++b) {
    values.push_back(squared_mmd(rows(x, b * result.block_size, result.block_size),
                                 rows(y, b * result.block_size, result.block_size)));
  }
  const auto blocks = static_cast<double>(values.size());
  for (const double value : values) result.value += value / blocks;
  double square = 0;
  for (const double value : values) square += (value - result.value) * (value - result.value);
  result.standard_error = std::sqrt(square / (blocks - 1) / blocks);
  return result;
}

std::vector<Figure> measure_kid(const FeatureTally& samples, const FeatureTally& real, const MetricContext&) {
  const HostArrayF x = samples.kept(), y = real.kept();
  const Kid k = kid(x, y);
  Figure figure{"kid", k.value, k.standard_error, {}};
  figure.details = {{"blocks", k.blocks}, {"block_size", k.block_size}};
  const int64_t half = y.batch() / 2;
  if (half >= 4) figure.floor = kid(rows(y, 0, half), rows(y, half, half)).value;
  return {figure};
}

}  // namespace langevin
