// The metrics of samples: how the features of samples compare with those of real pictures.
#pragma once

#include <memory>
#include <string>

#include "langevin/cli/eval_task.h"
#include "langevin/eval/feature_network.h"
#include "langevin/eval/metric.h"
#include "langevin/eval/picture_source.h"

namespace langevin::cli {

/// What is compared with the real pictures.
struct Subject {
  PictureSource pictures;
  Shape shape;  // (C,H,W)
  int64_t batch = 64;
  nlohmann::json description;           // how they are made, or what they are
  std::string text;                     // the same in a line
  std::shared_ptr<Engine> engine = {};  // of a model; null: a set
  SampleRequest request = {};           // of its first batch
  int64_t calls = 0;                    // of the network for that
};

/// A model that draws, or a set that is read. `progress` (may be empty) hears of the samples begun, in
/// parts. Error: a path that is neither.
Subject open_subject(const EvalOptions& options, Console& console, const StopSignal& stop,
                     std::function<void(double samples)> progress);

/// The network whose features are compared: --features, --inception or the one shipped with the project.
std::unique_ptr<FeatureNetwork> open_features(const EvalOptions& options, Console& console);

/// The tally of the real pictures, from the cache or made and put there. Error when stopped.
FeatureTally real_tally(const EvalOptions& options, const std::shared_ptr<PreparedSet>& data,
                        FeatureNetwork& network, Console& console, const StopSignal& stop);

}  // namespace langevin::cli
