// Inception Score (Salimans et al. 2016, 1606.03498): exp of the mean of KL(p(y|x) || p(y)), between 1 and
// the number of classes. It looks at the samples alone, and means what the network's classes mean.
#pragma once

#include "langevin/eval/metric.h"

namespace langevin {

/// Of all together; Error if there are none.
double inception_score(const ClassSums& sums);

std::vector<Figure> measure_inception_score(const FeatureTally& samples, const FeatureTally& real,
                                            const MetricContext& context);

}  // namespace langevin
