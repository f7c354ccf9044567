#include "langevin/eval/nearest.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "langevin/core/check.h"
#include "langevin/eval/products.h"

namespace langevin {
namespace {

constexpr int64_t kBatch = 256;

/// In [-1, 1].
void append(const Image& picture, std::vector<float>& rows) {
  for (const uint8_t value : picture.pixels) rows.push_back(static_cast<float>(value) / 127.5F - 1);
}

std::vector<double> squares(const std::vector<float>& rows, size_t dim) {
  std::vector<double> sums(rows.size() / dim, 0.0);
  for (size_t i = 0; i < rows.size(); ++i) sums[i / dim] += static_cast<double>(rows[i]) * rows[i];
  return sums;
}

double exact_distance(const Image& a, const Image& b) {
  double sum = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) {
    const double away = static_cast<double>(a.pixels[i]) - b.pixels[i];
    sum += away * away;
  }
  return std::sqrt(sum / static_cast<double>(a.pixels.size()));
}

std::vector<double> distances(const std::vector<NearestPicture>& found) {
  std::vector<double> all;
  for (const NearestPicture& n : found) all.push_back(n.distance);
  return all;
}

}  // namespace

std::vector<NearestPicture> nearest_pictures(const std::vector<NearestQuery>& queries,
                                             const PictureSource& pictures, const NearestProgress& how) {
  check(!queries.empty() && pictures.count > 0, "nearest", "{} pictures to compare with {}", queries.size(),
        pictures.count);
  const Image& first = queries[0].picture;
  const size_t dim = first.pixels.size();
  std::vector<float> x;
  for (const NearestQuery& q : queries) append(q.picture, x);
  const std::vector<double> xx = squares(x, dim);
  std::vector<NearestPicture> found(queries.size());
  std::vector<double> best(queries.size(), std::numeric_limits<double>::infinity());
  std::vector<float> products, y;
  for (int64_t begin = 0; begin < pictures.count; begin += kBatch) {
    check(!how.stopped || !how.stopped(), "nearest", "stopped");
    const int64_t count = std::min(kBatch, pictures.count - begin);
    y.clear();
    for (const Image& picture : pictures.get(begin, count)) {
      check(picture.width == first.width && picture.height == first.height &&
                picture.channels == first.channels,
            pictures.name, "has a picture of {} x {} with {} channels, not {} x {} with {}", picture.height,
            picture.width, picture.channels, first.height, first.width, first.channels);
      append(picture, y);
    }
    const std::vector<double> yy = squares(y, dim);
    products.resize(queries.size() * yy.size());
    product_of_rows(x, y, static_cast<int64_t>(dim), products);
    for (size_t i = 0; i < queries.size(); ++i) {
      for (size_t j = 0; j < yy.size(); ++j) {
        const double squared = xx[i] + yy[j] - 2.0 * products[i * yy.size() + j];
        const int64_t place = begin + static_cast<int64_t>(j);
        if (squared >= best[i] || place == queries[i].own) continue;
        best[i] = squared;
        found[i].place = place;
      }
    }
    if (how.progress) how.progress(begin + count);
  }
  // The products are of float accuracy: enough to find the nearest, not to say how near a copy is.
  for (size_t i = 0; i < queries.size(); ++i) {
    check(found[i].place >= 0, "nearest", "{} has no other picture", pictures.name);
    found[i].distance = exact_distance(queries[i].picture, pictures.get(found[i].place, 1).at(0));
  }
  return found;
}

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::sort(values.begin(), values.end());
  const double at = q * static_cast<double>(values.size() - 1);
  const auto low = static_cast<size_t>(at);
  const size_t high = std::min(low + 1, values.size() - 1);
  return values[low] + (at - static_cast<double>(low)) * (values[high] - values[low]);
}

Memorisation memorisation(const std::vector<Image>& samples, const PictureSource& pictures, int64_t real,
                          const NearestProgress& how) {
  const int64_t own = std::min(real, pictures.count - 1);
  std::vector<NearestQuery> queries;
  for (const Image& sample : samples) queries.push_back({sample, -1});
  for (int64_t i = pictures.count - own; i < pictures.count; ++i)
    queries.push_back({pictures.get(i, 1).at(0), i});
  std::vector<NearestPicture> found = nearest_pictures(queries, pictures, how);
  Memorisation m;
  const auto middle = found.begin() + static_cast<std::ptrdiff_t>(samples.size());
  m.samples.assign(found.begin(), middle);
  m.real.assign(middle, found.end());
  m.median = quantile(distances(m.samples), 0.5);
  m.real_median = quantile(distances(m.real), 0.5);
  const double near = quantile(distances(m.real), 0.05);
  for (const NearestPicture& n : m.samples)
    m.close_share += n.distance < near ? 1 / static_cast<double>(m.samples.size()) : 0;
  return m;
}

}  // namespace langevin
