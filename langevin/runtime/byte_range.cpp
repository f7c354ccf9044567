#include "langevin/runtime/byte_range.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "langevin/core/check.h"

namespace langevin::runtime {
namespace {

constexpr double kBytes = 255, kWeights = 127;

struct Range {
  double low = 0, high = 0;
  double size() const { return high - low; }
};

double zero_of(const Range& range, double step) {
  return std::clamp(std::nearbyint(-range.low / step), 0.0, kBytes);
}

/// Mean square of what bytes lose of channel c.
double lost(const SeenValues& seen, size_t c, double step, double zero) {
  const auto channels = static_cast<size_t>(seen.channels());
  const double gain = 1 / step;
  double sum = 0;
  for (size_t at = c; at < seen.rows.size(); at += channels) {
    const auto x = static_cast<double>(seen.rows[at]);
    const double q = std::clamp(std::nearbyint(x * gain + zero), 0.0, kBytes);
    sum += (x - step * (q - zero)) * (x - step * (q - zero));
  }
  return sum / static_cast<double>(std::max<int64_t>(1, seen.kept()));
}

/// The part of channel c's range that bytes serve best, the channel being alone.
Range best_range(const SeenValues& seen, size_t c) {
  const Range all{static_cast<double>(seen.low[c]), static_cast<double>(seen.high[c])};
  Range best = all;
  double least = std::numeric_limits<double>::infinity();
  for (double below : {1.0, 0.85, 0.7, 0.55, 0.4}) {
    for (double above : {1.0, 0.85, 0.7, 0.55, 0.4}) {
      const Range part{all.low * below, all.high * above};
      const double step = part.size() / kBytes;
      const double error = step > 0 ? lost(seen, c, step, zero_of(part, step)) : 0;
      if (error < least) {
        least = error;
        best = part;
      }
    }
  }
  return best;
}

struct WeightSizes {
  std::vector<double> importance;  // of a channel: sum of squares of its weights
};

WeightSizes sizes_of(const ProductWeights& weights, int64_t channels) {
  WeightSizes sizes;
  sizes.importance.assign(static_cast<size_t>(channels), 0);
  for (const auto& block : weights.blocks) {
    for (size_t i = 0; i < block.size(); ++i) {
      const size_t c = i / static_cast<size_t>(weights.taps) % static_cast<size_t>(channels);
      sizes.importance[c] += static_cast<double>(block[i]) * static_cast<double>(block[i]);
    }
  }
  return sizes;
}

/// Expected squared error, over all outputs, from rounding weights with these steps.
double weight_error(const SeenValues& seen, const ProductWeights& weights, const std::vector<float>& step) {
  const size_t channels = step.size(), taps = static_cast<size_t>(weights.taps);
  double units = 0;  // of a weight's rounding: sum of squares of what it is multiplied by
  for (size_t c = 0; c < channels; ++c) {
    const auto s = static_cast<double>(step[c]);
    units += static_cast<double>(taps) * seen.mean_square(c) / (s * s);
  }
  double scales = 0;
  for (const auto& block : weights.blocks) {
    for (size_t begin = 0; begin < block.size(); begin += channels * taps) {
      float largest = 0;
      for (size_t i = 0; i < channels * taps; ++i)
        largest = std::max(largest, std::abs(block[begin + i] * step[i / taps]));
      const double scale = static_cast<double>(largest) / kWeights;
      scales += scale * scale;
    }
  }
  return scales / 12 * units;
}

}  // namespace

SeenValues::SeenValues(int64_t channels)
    : low(static_cast<size_t>(channels), 0.0F), high(low), squares(static_cast<size_t>(channels), 0.0) {}

void SeenValues::add(const float* x, int64_t positions, int64_t keep, const NoiseKey& key) {
  const size_t width = low.size();
  std::vector<float> square(width, 0.0F);
  for (int64_t p = 0; p < positions; ++p) {
    const float* row = x + p * channels();
    for (size_t c = 0; c < width; ++c) {
      low[c] = std::min(low[c], row[c]);
      high[c] = std::max(high[c], row[c]);
      square[c] += row[c] * row[c];
    }
  }
  for (size_t c = 0; c < width; ++c) {
    check(std::isfinite(square[c]), "calibration", "the network computes values that are not finite");
    squares[c] += static_cast<double>(square[c]);
  }
  count += positions;
  RandomStream random(key);
  for (int64_t i = 0; i < std::min(keep, positions); ++i) {
    const auto p = static_cast<int64_t>(random.below(static_cast<uint64_t>(positions)));
    rows.insert(rows.end(), x + p * channels(), x + (p + 1) * channels());
  }
}

LayerCalibration best_bytes(const SeenValues& seen, const ProductWeights& weights) {
  const auto channels = static_cast<size_t>(seen.channels());
  const WeightSizes sizes = sizes_of(weights, seen.channels());
  std::vector<Range> range;
  double widest = 0;
  for (size_t c = 0; c < channels; ++c) {
    range.push_back(best_range(seen, c));
    widest = std::max(widest, range.back().size());
  }
  if (widest == 0) widest = 1;  // nothing but zeros
  LayerCalibration best;
  double least = std::numeric_limits<double>::infinity();
  for (double common : {1.0, 0.8, 0.6, 0.45}) {
    for (double own : {0.0, 0.25, 0.5, 0.75, 1.0}) {
      LayerCalibration candidate;
      double error = 0;
      for (size_t c = 0; c < channels; ++c) {
        // A channel that is almost silent gets no steps so fine that its weights drown the others'.
        const double size = std::max(range[c].size(), 1e-3 * widest);
        const double step = std::pow(common * widest, 1 - own) * std::pow(size, own) / kBytes;
        const double zero = zero_of(range[c], step);
        error += sizes.importance[c] * lost(seen, c, step, zero);
        candidate.step.push_back(static_cast<float>(step));
        candidate.zero.push_back(static_cast<uint8_t>(zero));
      }
      error += weight_error(seen, weights, candidate.step);
      if (error < least) {
        least = error;
        best = std::move(candidate);
      }
    }
  }
  return best;
}

}  // namespace langevin::runtime
