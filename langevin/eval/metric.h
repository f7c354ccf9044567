// What a metric of samples is: a function of two tallies, of samples and of real pictures.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "langevin/eval/feature_tally.h"

namespace langevin {

/// A figure with what it takes to read it.
struct Figure {
  std::string name;  // "fid"
  double value = 0;
  std::optional<double> standard_error;  // of the samples, the real pictures held fixed
  std::optional<double> floor;  // real pictures against real pictures: what a perfect model would get
  bool lower_is_better = true;
  nlohmann::json details = nlohmann::json::object();  // numbers of this metric alone
  std::vector<std::string> notes = {};                // for people, a line each
  std::vector<std::string> warnings = {};
};

struct MetricContext {
  int64_t threads = 1;
};

struct SampleMetric {
  std::string name, summary;
  bool needs_classes = false;  // of the feature network
  bool needs_kept = false;     // features one by one
  std::vector<Figure> (*measure)(const FeatureTally& samples, const FeatureTally& real,
                                 const MetricContext& context) = nullptr;
};

/// All of them, each from a file of its own. A new metric is one more line of metric.cpp.
const std::vector<SampleMetric>& sample_metrics();

}  // namespace langevin
