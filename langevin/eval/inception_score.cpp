#include "langevin/eval/inception_score.h"

#include <cmath>

#include "langevin/core/check.h"

namespace langevin {
namespace {

ClassSums all_but(const std::vector<ClassSums>& parts, size_t left_out) {
  ClassSums all{0, std::vector<double>(parts.at(0).p.size()), 0};
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i != left_out) merge(all, parts[i]);
  }
  return all;
}

}  // namespace

double inception_score(const ClassSums& sums) {
  check(sums.count > 0, "is", "there are no pictures");
  const auto n = static_cast<double>(sums.count);
  double kl = sums.p_log_p / n;
  for (const double p : sums.p) {
    if (p > 0) kl -= p / n * std::log(p / n);
  }
  return std::exp(kl);
}

std::vector<Figure> measure_inception_score(const FeatureTally& samples, const FeatureTally& real,
                                            const MetricContext&) {
  std::vector<ClassSums> parts;
  for (const ClassSums& part : samples.class_sums()) {
    if (part.count > 0) parts.push_back(part);
  }
  check(parts.size() >= 2, "is", "{} samples are too few", samples.count());
  std::vector<double> left_out;
  double mean = 0, square = 0;
  const auto n = static_cast<double>(parts.size());
  for (size_t i = 0; i < parts.size(); ++i) {
    left_out.push_back(inception_score(all_but(parts, i)));
    mean += left_out.back() / n;
  }
  for (const double value : left_out) square += (value - mean) * (value - mean);
  Figure figure{
      "inception_score", inception_score(all_but(parts, parts.size())), std::sqrt((n - 1) / n * square), {}};
  figure.lower_is_better = false;
  if (!real.class_sums().empty() && real.count() > 0)
    figure.floor = inception_score(all_but(real.class_sums(), real.class_sums().size()));
  figure.details = {{"classes", parts[0].p.size()}};
  return {figure};
}

}  // namespace langevin
