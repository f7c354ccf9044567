#include "langevin/eval/fid.h"

#include <algorithm>
#include <cmath>

#include "langevin/core/check.h"
#include "langevin/data/parallel.h"
#include "langevin/eval/frechet.h"

namespace langevin {
namespace {

size_t at(int64_t i) { return static_cast<size_t>(i); }

/// Parts first .. first + count - 1, round the end.
Moments window(const std::vector<Moments>& parts, int64_t first, int64_t count) {
  const auto n = static_cast<int64_t>(parts.size());
  Moments all = parts[at(first % n)];
  for (int64_t k = 1; k < count; ++k) all.merge(parts[at((first + k) % n)]);
  return all;
}

/// One distance to be computed: of so many parts from there on.
struct Job {
  int64_t first = 0, count = 0;
};

struct Point {
  double per_sample = 0, distance = 0;  // 1 / N, FID
};

/// Where the least-squares line meets 1 / N = 0.
double at_infinity(const std::vector<Point>& points) {
  double x = 0, y = 0, xx = 0, xy = 0;
  const auto n = static_cast<double>(points.size());
  for (const Point& p : points) {
    x += p.per_sample / n;
    y += p.distance / n;
  }
  for (const Point& p : points) {
    xx += (p.per_sample - x) * (p.per_sample - x);
    xy += (p.per_sample - x) * (p.distance - y);
  }
  return xx > 0 ? y - xy / xx * x : y;
}

double jackknife_error(const std::vector<double>& left_out) {
  const auto n = static_cast<double>(left_out.size());
  double mean = 0, square = 0;
  for (const double value : left_out) mean += value / n;
  for (const double value : left_out) square += (value - mean) * (value - mean);
  return std::sqrt((n - 1) / n * square);
}

/// All parts; all but one, for each; half of them, from every part on where that costs little.
std::vector<Job> jobs_of(int64_t parts, int64_t dim) {
  constexpr int64_t kQuick = 512;  // features: a distance then takes well below a second
  std::vector<Job> jobs{{0, parts}};
  for (int64_t i = 0; i < parts; ++i) jobs.push_back({i, parts - 1});
  for (int64_t i = 0; i < parts; i += dim <= kQuick ? 1 : parts / 2) jobs.push_back({i, parts / 2});
  return jobs;
}

}  // namespace

Fid fid(const FeatureTally& samples, const FeatureTally& real, int64_t threads) {
  std::vector<Moments> parts;
  for (const Moments& part : samples.parts()) {
    if (part.count() >= 2) parts.push_back(part);
  }
  check(parts.size() >= 2 && real.count() >= 4, "fid", "needs more pictures than {} samples and {} real ones",
        samples.count(), real.count());
  const auto n = static_cast<int64_t>(parts.size());
  const std::vector<Job> jobs = jobs_of(n, samples.dim());
  const FrechetSide side = frechet_side(merged(real.parts()).gaussian());
  std::vector<double> values(jobs.size() + 1);
  std::vector<int64_t> counts(jobs.size());
  parallel_for(static_cast<int64_t>(values.size()), threads, [&](int64_t i) {
    if (i == static_cast<int64_t>(jobs.size())) {
      const int64_t half = static_cast<int64_t>(real.parts().size()) / 2;
      values[at(i)] = frechet_distance(
          window(real.parts(), 0, half).gaussian(),
          window(real.parts(), half, static_cast<int64_t>(real.parts().size()) - half).gaussian());
      return;
    }
    const Moments part = window(parts, jobs[at(i)].first, jobs[at(i)].count);
    counts[at(i)] = part.count();
    values[at(i)] = frechet_distance(side, frechet_side(part.gaussian()));
  });
  Fid result{values[0], 0, 0, values.back()};
  std::vector<double> left_out;
  Point most{}, half{};
  double halves = 0;
  for (size_t i = 1; i < jobs.size(); ++i) {
    const double share = 1 / static_cast<double>(counts[i]);
    if (jobs[i].count == n - 1 && static_cast<int64_t>(i) <= n) {
      left_out.push_back(values[i]);
      most.per_sample += share / static_cast<double>(n);
      most.distance += values[i] / static_cast<double>(n);
    } else {
      half.per_sample += share;
      half.distance += values[i];
      halves += 1;
    }
  }
  half.per_sample /= halves;
  half.distance /= halves;
  result.standard_error = jackknife_error(left_out);
  result.infinity = at_infinity({{1 / static_cast<double>(counts[0]), values[0]}, most, half});
  return result;
}

std::vector<Figure> measure_fid(const FeatureTally& samples, const FeatureTally& real,
                                const MetricContext& context) {
  const Fid f = fid(samples, real, context.threads);
  Figure figure{"fid", f.value, f.standard_error, f.floor};
  // An extrapolation below zero says that nothing but bias was found.
  const double bias = std::min(f.value - f.infinity, f.value);
  figure.details = {{"fid_infinity", f.infinity}, {"bias", bias}, {"floor_count", real.count() / 2}};
  figure.notes.push_back(fmt::format("extrapolated to infinitely many samples: {:.4g}", f.infinity));
  if (samples.count() <= samples.dim()) {
    figure.warnings.push_back(
        fmt::format("fid: {} samples are fewer than the {} features, so their covariance is singular; about "
                    "{:.3g} of the {:.4g} is bias of the small number",
                    samples.count(), samples.dim(), bias, f.value));
  } else if (bias > 0.05 * f.value && bias > f.standard_error) {
    figure.warnings.push_back(fmt::format(
        "fid: {} samples are few: about {:.3g} of the {:.4g} is bias of the small number; more with -n",
        samples.count(), bias, f.value));
  }
  if (real.count() <= real.dim()) {
    figure.warnings.push_back(
        fmt::format("fid: {} real pictures are fewer than the {} features: compare "
                    "with the same pictures only",
                    real.count(), real.dim()));
  }
  return {figure};
}

}  // namespace langevin
