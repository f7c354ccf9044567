// Kernel Inception Distance (Binkowski et al. 2018, 1801.01401): the squared maximum mean discrepancy of
// features under the kernel (x y / D + 1)^3, without bias at any number of pictures.
#pragma once

#include "langevin/eval/metric.h"

namespace langevin {

struct Kid {
  double value = 0;
  double standard_error = 0;
  int64_t blocks = 0, block_size = 0;
};

/// The mean over disjoint blocks of at most 1000 rows each, at least 10 blocks where there are 20 rows. Rows
/// of x and y (n,D) beyond the shorter set's are left out. Error below 4 rows.
Kid kid(const HostArrayF& x, const HostArrayF& y);

/// The unbiased estimate from all pairs of rows.
double squared_mmd(const HostArrayF& x, const HostArrayF& y);

std::vector<Figure> measure_kid(const FeatureTally& samples, const FeatureTally& real,
                                const MetricContext& context);

}  // namespace langevin
