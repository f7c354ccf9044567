#include "langevin/eval/precision_recall.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "langevin/core/check.h"
#include "langevin/eval/products.h"

namespace langevin {
namespace {

size_t at(int64_t i) { return static_cast<size_t>(i); }

/// Mean of values and its standard error.
Share share_of(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  Share share;
  for (const double value : values) share.value += value;
  share.value /= n;
  double square = 0;
  for (const double value : values) square += (value - share.value) * (value - share.value);
  share.standard_error = n > 1 ? std::sqrt(square / (n - 1) / n) : 0;
  return share;
}

/// Of x (n,D) and the balls around it: how many balls each row of y lies in, and whether each ball holds a
/// row of y.
struct Hits {
  std::vector<double> balls;  // by y
  std::vector<double> held;   // by x, 0 or 1
};

Hits hits_of(const HostArrayF& x, const HostArrayF& y, int64_t k) {
  const std::vector<float> radii = neighbour_distances(x, k);
  Hits hits{std::vector<double>(at(y.batch())), std::vector<double>(at(x.batch()))};
  const int64_t m = y.batch();
  each_distances(x, y, [&](int64_t first, int64_t count, std::span<const float> squared) {
    for (int64_t i = 0; i < count; ++i) {
      const float* row = squared.data() + i * m;
      const float radius = radii[at(first + i)];
      for (int64_t j = 0; j < m; ++j) {
        if (row[j] > radius) continue;
        hits.balls[at(j)] += 1;
        hits.held[at(first + i)] = 1;
      }
    }
  });
  return hits;
}

void check_features(const HostArrayF& samples, const HostArrayF& real, int64_t k, const char* what) {
  check(samples.batch() == real.batch() && real.batch() > k, what,
        "needs more than {} pictures and as many of both kinds, got {} samples and {} real ones", k,
        samples.batch(), real.batch());
}

std::vector<double> any(std::vector<double> counts) {
  for (double& count : counts) count = count > 0 ? 1 : 0;
  return counts;
}

struct Pair {
  HostArrayF samples, real;
};
/// As many of both.
Pair even(const HostArrayF& samples, const HostArrayF& real) {
  const int64_t n = std::min(samples.batch(), real.batch());
  return {rows(samples, 0, n), rows(real, 0, n)};
}

Figure figure(const std::string& name, const Share& share, const std::optional<double>& floor, int64_t k,
              int64_t count) {
  Figure f{name, share.value, share.standard_error, floor, false};
  f.details = {{"k", k}, {"count", count}};
  return f;
}

constexpr int64_t kPrecision = 3, kDensity = 5;

}  // namespace

PrecisionRecall precision_recall(const HostArrayF& samples, const HostArrayF& real, int64_t k) {
  check_features(samples, real, k, "precision");
  return {share_of(any(hits_of(real, samples, k).balls)), share_of(any(hits_of(samples, real, k).balls))};
}

DensityCoverage density_coverage(const HostArrayF& samples, const HostArrayF& real, int64_t k) {
  check_features(samples, real, k, "density");
  Hits hits = hits_of(real, samples, k);
  for (double& balls : hits.balls) balls /= static_cast<double>(k);
  return {share_of(hits.balls), share_of(hits.held)};
}

std::vector<Figure> measure_precision_recall(const FeatureTally& samples, const FeatureTally& real,
                                             const MetricContext&) {
  const Pair p = even(samples.kept(), real.kept());
  const PrecisionRecall found = precision_recall(p.samples, p.real, kPrecision);
  std::optional<double> precision, recall;
  if (const int64_t half = real.kept().batch() / 2; half > kPrecision) {
    const HostArrayF kept = real.kept();
    const PrecisionRecall halves = precision_recall(rows(kept, 0, half), rows(kept, half, half), kPrecision);
    precision = halves.precision.value;
    recall = halves.recall.value;
  }
  return {figure("precision", found.precision, precision, kPrecision, p.real.batch()),
          figure("recall", found.recall, recall, kPrecision, p.real.batch())};
}

std::vector<Figure> measure_density_coverage(const FeatureTally& samples, const FeatureTally& real,
                                             const MetricContext&) {
  const Pair p = even(samples.kept(), real.kept());
  const DensityCoverage found = density_coverage(p.samples, p.real, kDensity);
  std::optional<double> density, coverage;
  if (const int64_t half = real.kept().batch() / 2; half > kDensity) {
    const HostArrayF kept = real.kept();
    const DensityCoverage halves = density_coverage(rows(kept, 0, half), rows(kept, half, half), kDensity);
    density = halves.density.value;
    coverage = halves.coverage.value;
  }
  return {figure("density", found.density, density, kDensity, p.real.batch()),
          figure("coverage", found.coverage, coverage, kDensity, p.real.batch())};
}

}  // namespace langevin
