// Where the pictures of an evaluation come from, by their numbers.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "langevin/data/open.h"
#include "langevin/eval/feature_network.h"

namespace langevin {

/// get(first, count) gives pictures first .. first + count - 1 of 0 .. count - 1: the same every time, in any
/// order. Fewer: it was stopped within.
struct PictureSource {
  std::string name;
  int64_t count = 0;
  std::function<std::vector<Image>(int64_t first, int64_t count)> get;
};

/// Up to `limit` (0: all) pictures of a set in an order that is random and always the same, so that the first
/// ones stand for all.
PictureSource dataset_pictures(std::shared_ptr<const PreparedSet> data, int64_t limit, int64_t threads);

/// Which example of a set of `size` stands at which place of that order.
std::vector<uint32_t> evaluation_order(int64_t size);

struct TallyProgress {
  int64_t batch = 64;
  std::function<void(int64_t done)> progress;
  std::function<bool()> stopped;
};

/// All pictures through the network into the tally, a batch at a time, until `stopped`.
void tally_pictures(const PictureSource& source, FeatureNetwork& network, const TallyProgress& how,
                    FeatureTally& tally);

}  // namespace langevin
