// Checkpoints: one .safetensors file that is whole or absent, with a checksum, and everything a run needs to
// go on bit for bit: weights, EMA, moments, counters, stream positions, configuration. EMA tensors are named
// "ema." + the parameter's name in the peer's layout, so that a checkpoint is a model; the others ("weight.",
// "m.", "v.") lie as in memory, 4-D ones as (O,k,k,I).
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "langevin/core/console.h"
#include "langevin/diffusion/loss_aware.h"
#include "langevin/model/model_file.h"
#include "langevin/train/optimizer.h"
#include "langevin/train/run_log.h"

namespace langevin {

/// Counters of a run.
struct TrainState {
  int64_t step = 0;       // optimizer steps, skipped ones included
  uint64_t position = 0;  // of the training stream: samples seen
  double seconds = 0;     // of the training loop
  int64_t skipped = 0;
  int64_t rollbacks = 0;
  int64_t bad_steps = 0;           // non-finite gradients in a row, up to now
  int64_t rollbacks_in_a_row = 0;  // without training well in between
  int64_t last_rollback = 0;       // its step
  LogInterval interval;
  std::map<std::string, double> numbers = {};    // of what is learned beside the network
  std::map<std::string, at::Tensor> extra = {};  // the same, fp32; read into the tensors that stand there
  std::optional<LossAwareTimes> times = {};      // of a run that draws its timesteps by their loss
};

/// Writes checkpoints/step-N.safetensors, then removes all but the newest `keep`.
void save_checkpoint(const std::filesystem::path& run, const TrainState& state, const ModelSpec& spec,
                     ParameterStore& store, Optimizer& optimizer, const std::string& config, int64_t keep);

/// model.safetensors: the EMA weights.
void save_model(const std::filesystem::path& run, const ModelSpec& spec, ParameterStore& store,
                Optimizer& optimizer);

/// The newest checkpoint that is whole; damaged ones are named in a warning and set aside as *.damaged. Error
/// if there is none.
std::filesystem::path newest_checkpoint(const std::filesystem::path& run, Console& console);

/// Restores weights, EMA, moments and counters. Error naming file and tensor if they do not fit. `state` says
/// beforehand what the run keeps: `times` for its schedule, or none.
void load_checkpoint(const std::filesystem::path& path, ParameterStore& store, Optimizer& optimizer,
                     TrainState& state);

}  // namespace langevin
