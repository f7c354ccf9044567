// Frechet Inception Distance (Heusel et al. 2017, 1706.08500) between features of any network.
#pragma once

#include "langevin/eval/metric.h"

namespace langevin {

struct Fid {
  double value = 0;
  double standard_error = 0;  // jackknife over the samples' parts
  double infinity = 0;        // extrapolated to infinitely many samples (Chong & Forsyth 2020, 1911.07023)
  double floor = 0;           // one half of the real pictures against the other
};

/// The real pictures are held fixed. FID falls like 1 / N with the number of samples: `infinity` is where the
/// line through its values at half, nearly all and all of the samples meets 1 / N = 0. Error: fewer than two
/// pictures in a part.
Fid fid(const FeatureTally& samples, const FeatureTally& real, int64_t threads);

std::vector<Figure> measure_fid(const FeatureTally& samples, const FeatureTally& real,
                                const MetricContext& context);

}  // namespace langevin
