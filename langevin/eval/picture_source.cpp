#include "langevin/eval/picture_source.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "langevin/core/check.h"
#include "langevin/core/rng.h"
#include "langevin/data/parallel.h"

namespace langevin {

std::vector<uint32_t> evaluation_order(int64_t size) {
  check(size < int64_t{std::numeric_limits<uint32_t>::max()}, "eval", "{} pictures are too many", size);
  return permutation(static_cast<uint32_t>(size), NoiseKey{0, 0, Purpose::data_order, 2});
}

PictureSource dataset_pictures(std::shared_ptr<const PreparedSet> data, int64_t limit, int64_t threads) {
  PictureSource source;
  source.name = data->summary().path;
  source.count = limit > 0 ? std::min(limit, data->size()) : data->size();
  std::vector<uint32_t> order = evaluation_order(data->size());
  source.get = [data = std::move(data), order = std::move(order), threads](int64_t first, int64_t count) {
    std::vector<Image> pictures(static_cast<size_t>(count));
    parallel_for(count, threads, [&](int64_t i) {
      pictures[static_cast<size_t>(i)] = data->get(order[static_cast<size_t>(first + i)]).image;
    });
    return pictures;
  };
  return source;
}

void tally_pictures(const PictureSource& source, FeatureNetwork& network, const TallyProgress& how,
                    FeatureTally& tally) {
  while (tally.count() < source.count && !(how.stopped && how.stopped())) {
    const std::vector<Image> pictures =
        source.get(tally.count(), std::min(how.batch, source.count - tally.count()));
    if (pictures.empty()) return;
    tally.add(network(pictures));
    if (how.progress) how.progress(tally.count());
  }
}

}  // namespace langevin
