// Snapshots of the power-function averages during training (model/ema_snapshots.h says what is in them).
#pragma once

#include <filesystem>

#include "langevin/model/ema_snapshots.h"
#include "langevin/model/recipe.h"
#include "langevin/train/optimizer.h"

namespace langevin {

/// Whether a snapshot is due after this update.
bool snapshot_due(const Recipe& recipe, int64_t updates);

/// Writes the snapshot of the optimizer's update and removes those that the interval leaves out by now.
void save_snapshot(const std::filesystem::path& run, const Recipe& recipe, const ModelSpec& spec,
                   const ParameterStore& store, Optimizer& optimizer);

/// Removes snapshots of later updates: those of a run that went on beyond the checkpoint it returns to.
void remove_later_snapshots(const std::filesystem::path& run, int64_t updates);

}  // namespace langevin
