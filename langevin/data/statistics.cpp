#include "langevin/data/statistics.h"

#include <algorithm>
#include <cmath>

#include "langevin/core/check.h"

namespace langevin {

double standard_deviation(const PreparedSet& data) {
  constexpr int64_t kExamples = 4096;
  const int64_t count = std::min(kExamples, data.size());
  double n = 0, sum = 0, square = 0;  // of whole numbers up to 255: exact
  for (int64_t i = 0; i < count; ++i) {
    const int64_t index = i * data.size() / count;
    const auto view = data.view(index);
    const Example example = view ? Example{} : data.get(index);
    const std::span<const uint8_t> pixels = view ? view->pixels : example.image.pixels;
    for (uint8_t value : pixels) {
      sum += value;
      square += static_cast<double>(value) * value;
    }
    n += static_cast<double>(pixels.size());
  }
  const double mean = n > 0 ? sum / n : 0, variance = n > 0 ? square / n - mean * mean : 0;
  check(variance > 0, data.summary().path, "every pixel has the same value: there is nothing to learn");
  return std::sqrt(variance) / 127.5;
}

}  // namespace langevin
