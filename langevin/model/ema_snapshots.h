// Power-function averages (ema_profile.h) as a run keeps them: RUN/ema/update-0000001234.safetensors holds
// those of all tracked lengths after that update, tensor NAME of the network as "0.NAME", "1.NAME", ..
// From them the average of any length is made, free of libtorch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "langevin/model/ema_profile.h"
#include "langevin/model/model_file.h"

namespace langevin {

/// An open snapshot; its metadata key `ema` is {"updates": t, "lengths": [..]}.
struct EmaSnapshot {
  std::filesystem::path path;
  int64_t updates = 0;
  std::vector<double> lengths;
  ModelSpec spec;
  SafetensorsFile file;
};

std::filesystem::path snapshot_path(const std::filesystem::path& run, int64_t updates);
/// Snapshots of a run by their names, oldest first: updates and path.
std::vector<std::pair<int64_t, std::filesystem::path>> list_snapshots(const std::filesystem::path& run);

/// Updates between snapshots after `updates` of them: `first`, doubled until no more than `count` fit. So a
/// run of any length keeps count/2 to count of them, evenly spaced. first and count >= 1.
int64_t snapshot_interval(int64_t updates, int64_t first, int64_t count);

/// Metadata beside the description.
std::string snapshot_metadata(int64_t updates, const std::vector<double>& lengths);

/// Checks checksum, metadata, and that every tensor of every length is there with its shape and nothing else.
/// Error in one line.
EmaSnapshot open_snapshot(const std::filesystem::path& path);

struct EmaSynthesis {
  int64_t updates = 0;    // where the average ends
  int64_t snapshots = 0;  // that were read
  double length = 0;
  ProfileFit fit;
};

/// Writes a model file with the weights averaged at the relative length, as they would stand after `updates`
/// (0: of the newest snapshot), from the run's snapshots up to there. Error: no snapshots, one that is
/// damaged or of another network, a length out of range.
EmaSynthesis synthesise_ema(const std::filesystem::path& run, double length, int64_t updates,
                            const std::filesystem::path& out);

}  // namespace langevin
