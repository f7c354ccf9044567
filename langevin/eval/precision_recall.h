// How much of the samples lies among real pictures, and how much of the real pictures among samples, by balls
// that reach to each feature's k-th neighbour:
//   precision, recall: Kynkaanniemi et al. 2019, 1904.06991, k = 3
//   density, coverage: Naeem et al. 2020, 2002.09797, k = 5
#pragma once

#include "langevin/eval/metric.h"

namespace langevin {

struct Share {
  double value = 0, standard_error = 0;  // the error of the counted side, the other's balls held fixed
};

struct PrecisionRecall {
  Share precision, recall;
};
/// Features (n,D) of each, as many of both; Error unless n > k.
PrecisionRecall precision_recall(const HostArrayF& samples, const HostArrayF& real, int64_t k = 3);

struct DensityCoverage {
  Share density, coverage;
};
DensityCoverage density_coverage(const HostArrayF& samples, const HostArrayF& real, int64_t k = 5);

std::vector<Figure> measure_precision_recall(const FeatureTally& samples, const FeatureTally& real,
                                             const MetricContext& context);
std::vector<Figure> measure_density_coverage(const FeatureTally& samples, const FeatureTally& real,
                                             const MetricContext& context);

}  // namespace langevin
