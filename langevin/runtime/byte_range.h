// What values a product reads, and which bytes should stand for them: the part of calibration that is
// arithmetic.
#pragma once

#include <span>
#include <vector>

#include "langevin/core/rng.h"
#include "langevin/model/calibration.h"

namespace langevin::runtime {

/// What was seen of the input of one product: ranges and squares of every channel, and some positions as they
/// were.
class SeenValues {
 public:
  explicit SeenValues(int64_t channels);
  /// (positions, channels) of one sample; `kept` of them are kept whole, chosen by `key`.
  void add(const float* x, int64_t positions, int64_t kept, const NoiseKey& key);

  int64_t channels() const { return static_cast<int64_t>(low.size()); }
  int64_t kept() const { return static_cast<int64_t>(rows.size()) / channels(); }
  double mean_square(size_t c) const { return count > 0 ? squares[c] / static_cast<double>(count) : 0; }

  std::vector<float> low, high;  // 0 lies between them
  std::vector<double> squares;   // sums
  std::vector<float> rows;       // (kept, channels)
  int64_t count = 0;             // positions seen
};

/// A product's weights: (out, channels, taps), one block below the other where there are several products.
struct ProductWeights {
  std::vector<std::span<const float>> blocks;
  int64_t taps = 1;
};

/// Steps and zeros with the least expected squared error of the product, as far as these go: every channel's
/// range is cut where the bytes it saves are worth more than the values it loses, and channels of small range
/// take steps between their own and that of the largest, for a fine step makes large weights, which are
/// rounded too (the trade of SmoothQuant, Xiao et al. 2022, arXiv:2211.10438, section 4, settled by measuring
/// instead of by a constant). Values that were never seen take the range of the rest. name, int8 and error
/// are left alone.
LayerCalibration best_bytes(const SeenValues& seen, const ProductWeights& weights);

}  // namespace langevin::runtime
