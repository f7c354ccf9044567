// Training: Algorithm 1 of Ho et al. 2006.11239 with everything a run needs around it. The run folder and its
// files are those of DESIGN's contract 6. Free of libtorch headers: the command line sees this file.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "langevin/core/console.h"
#include "langevin/core/signals.h"
#include "langevin/model/vae_estimate.h"
#include "langevin/train/classifier_score.h"
#include "langevin/train/job.h"

namespace langevin {

struct TrainResult {
  std::filesystem::path run, model;  // the folder; its model.safetensors
  int64_t steps = 0;                 // optimizer steps since the run began, resumed parts included
  uint64_t images = 0;               // training images seen since then
  double seconds = 0;                // of training since then, without samples and checkpoints
  double loss = 0;                   // mean of the last logged interval
  int64_t skipped = 0;               // steps skipped for a non-finite gradient
  int64_t rollbacks = 0;
  std::string ended_by;                       // "steps" | "minutes" | "signal"
  std::optional<ClassifierScore> score = {};  // of a classifier on the examples held out
  std::optional<VaeReport> vae = {};          // of an autoencoder, on those held out or on some it knows
};

/// Trains into the folder `run`. Without `resume` the folder must be absent or empty; with it the newest
/// whole checkpoint is continued bit for bit (damaged ones are named and passed over). `stop` ends the run
/// within one step, after a checkpoint. Error: bad data, a configuration that does not fit it, a full disk
/// (the last checkpoint survives), training that diverges again and again.
TrainResult train(const TrainJob& job, const std::filesystem::path& run, bool resume, Console& console,
                  const StopSignal& stop);

}  // namespace langevin
