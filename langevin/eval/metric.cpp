#include "langevin/eval/metric.h"

#include "langevin/eval/fid.h"
#include "langevin/eval/inception_score.h"
#include "langevin/eval/kid.h"
#include "langevin/eval/precision_recall.h"

namespace langevin {

const std::vector<SampleMetric>& sample_metrics() {
  static const std::vector<SampleMetric> metrics{
      {"fid", "distance between Gaussians fitted to the features", false, false, measure_fid},
      {"kid", "distance between the features' distributions, unbiased", false, true, measure_kid},
      {"is", "Inception Score: how sure the network is of each picture, how varied it finds all", true, false,
       measure_inception_score},
      {"pr", "precision and recall: samples near real pictures, real pictures near samples", false, true,
       measure_precision_recall},
      {"dc", "density and coverage: the same, robust to outliers", false, true, measure_density_coverage},
  };
  return metrics;
}

}  // namespace langevin
