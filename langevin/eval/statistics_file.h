// The tally of a set of pictures in a file, so that a real set is looked at once: a .safetensors whose
// metadata says of which pictures and by which network.
#pragma once

#include <filesystem>
#include <optional>

#include "langevin/eval/feature_network.h"

namespace langevin {

/// What a tally depends on. Two are the same when all of it is.
struct StatisticsKey {
  std::string data_hash;     // of the set as it was opened (DatasetSummary::hash) and prepared
  std::string network_hash;  // FeatureNetworkInfo::hash
  int64_t count = 0;         // pictures
  TallyLimits limits;
};

struct StatisticsNames {
  std::string data, network;  // for messages
};

/// Whole or absent.
void write_statistics(const std::filesystem::path& path, const FeatureTally& tally, const StatisticsKey& key,
                      const StatisticsNames& names);

/// Error, naming both sides: statistics of other data, of another network or number; a file that is damaged
/// or no such file.
FeatureTally read_statistics(const std::filesystem::path& path, const StatisticsKey& key,
                             const StatisticsNames& names);

/// "3f2a....safetensors": the name in a folder of such files.
std::string statistics_name(const StatisticsKey& key);

}  // namespace langevin
