// The palette of an animation: gray, exact, or median cut refined by k-means.
#include <algorithm>
#include <numeric>
#include <set>

#include "langevin/core/check.h"
#include "langevin/io/gif.h"

namespace langevin {
namespace {

using Point = std::array<double, 3>;

/// One occupied cell of the 5-bit histogram: the mean of its pixels and how many there are.
struct Bin {
  Point mean{};
  double count = 0;
};

/// Bins [first, last) of the shared list.
struct Box {
  size_t first = 0, last = 0;
  int axis = 0;        // the one of largest spread
  double spread = -1;  // sum of squared distances to the mean along that axis; 0 cannot be split
};

struct Survey {
  bool gray = true;
  std::set<Colour> colours;  // at most limit + 1 of them
  std::vector<Bin> bins;     // mean holds the sum until finish()
};

void survey_pixel(const uint8_t* rgb, size_t limit, Survey& survey) {
  survey.gray = survey.gray && rgb[0] == rgb[1] && rgb[1] == rgb[2];
  if (survey.colours.size() <= limit) survey.colours.insert({rgb[0], rgb[1], rgb[2]});
  Bin& bin = survey.bins[static_cast<size_t>(rgb[0] >> 3) << 10 | static_cast<size_t>(rgb[1] >> 3) << 5 |
                         static_cast<size_t>(rgb[2] >> 3)];
  for (size_t c = 0; c < 3; ++c) bin.mean[c] += rgb[c];
  bin.count += 1;
}

Survey survey_samples(std::span<const Image> samples, size_t limit) {
  Survey survey;
  survey.bins.resize(size_t{1} << 15);
  for (const Image& sample : samples) {
    const Image rgb = to_channels(sample, 3, {255, 255, 255});
    for (size_t i = 0; i < rgb.pixels.size(); i += 3) survey_pixel(&rgb.pixels[i], limit, survey);
  }
  std::erase_if(survey.bins, [](const Bin& bin) { return bin.count == 0; });
  for (Bin& bin : survey.bins) {
    for (double& value : bin.mean) value /= bin.count;
  }
  return survey;
}

Point mean_of(std::span<const Bin> bins) {
  Point sum{};
  double count = 0;
  for (const Bin& bin : bins) {
    for (size_t c = 0; c < 3; ++c) sum[c] += bin.count * bin.mean[c];
    count += bin.count;
  }
  for (double& value : sum) value /= count;
  return sum;
}

Box measured(std::span<const Bin> bins, size_t first, size_t last) {
  Box box{first, last, 0, 0};
  const auto inside = bins.subspan(first, last - first);
  if (inside.size() < 2) return box;
  const Point centre = mean_of(inside);
  for (size_t c = 0; c < 3; ++c) {
    double spread = 0;
    for (const Bin& bin : inside) spread += bin.count * (bin.mean[c] - centre[c]) * (bin.mean[c] - centre[c]);
    if (spread > box.spread) box = {first, last, static_cast<int>(c), spread};
  }
  return box;
}

/// Heckbert 1982, "Color image quantization for frame buffer display": halve the pixels of the widest box.
/// Here the widest is the one with the most squared error, so that rare but distant colours get their place.
std::vector<Point> median_cut(std::vector<Bin>& bins, size_t colours) {
  std::vector<Box> boxes{measured(bins, 0, bins.size())};
  while (boxes.size() < colours) {
    const auto widest = std::max_element(boxes.begin(), boxes.end(),
                                         [](const Box& a, const Box& b) { return a.spread < b.spread; });
    if (widest->spread <= 0) break;
    const Box box = *widest;
    const auto axis = static_cast<size_t>(box.axis);
    const auto begin = bins.begin() + static_cast<std::ptrdiff_t>(box.first);
    const auto end = bins.begin() + static_cast<std::ptrdiff_t>(box.last);
    std::stable_sort(begin, end, [axis](const Bin& a, const Bin& b) { return a.mean[axis] < b.mean[axis]; });
    const double total =
        std::accumulate(begin, end, 0.0, [](double sum, const Bin& bin) { return sum + bin.count; });
    size_t middle = box.first;
    for (double seen = 0; middle + 1 < box.last && (seen < total / 2 || middle == box.first); ++middle) {
      seen += bins[middle].count;
    }
    *widest = measured(bins, box.first, middle);
    boxes.push_back(measured(bins, middle, box.last));
  }
  std::vector<Point> centres;
  for (const Box& box : boxes)
    centres.push_back(mean_of(std::span(bins).subspan(box.first, box.last - box.first)));
  return centres;
}

void refine(std::span<const Bin> bins, std::vector<Point>& centres) {
  std::vector<Bin> sums(centres.size());
  for (const Bin& bin : bins) {
    size_t best = 0;
    double best_distance = 1e300;
    for (size_t k = 0; k < centres.size(); ++k) {
      double distance = 0;
      for (size_t c = 0; c < 3; ++c)
        distance += (bin.mean[c] - centres[k][c]) * (bin.mean[c] - centres[k][c]);
      if (distance < best_distance) {
        best_distance = distance;
        best = k;
      }
    }
    for (size_t c = 0; c < 3; ++c) sums[best].mean[c] += bin.count * bin.mean[c];
    sums[best].count += bin.count;
  }
  for (size_t k = 0; k < centres.size(); ++k) {
    if (sums[k].count == 0) continue;
    for (size_t c = 0; c < 3; ++c) centres[k][c] = sums[k].mean[c] / sums[k].count;
  }
}

std::vector<Colour> gray_levels(int count) {
  std::vector<Colour> palette;
  for (int i = 0; i < count; ++i) {
    const auto level = static_cast<uint8_t>((255 * i + (count - 1) / 2) / (count - 1));
    palette.push_back({level, level, level});
  }
  return palette;
}

}  // namespace

std::vector<Colour> gif_palette(std::span<const Image> samples, int max_colours) {
  check(max_colours >= 2 && max_colours <= 256, "gif_palette", "max_colours must be within 2..256, got {}",
        max_colours);
  check(!samples.empty(), "gif_palette", "needs at least one picture");
  const auto limit = static_cast<size_t>(max_colours);
  Survey survey = survey_samples(samples, limit);
  if (survey.gray && (max_colours == 256 || survey.colours.size() > limit)) return gray_levels(max_colours);
  std::vector<Colour> palette;
  if (survey.colours.size() <= limit) {
    palette.assign(survey.colours.begin(), survey.colours.end());
  } else {
    std::vector<Point> centres = median_cut(survey.bins, limit);
    for (int round = 0; round < 4; ++round) refine(survey.bins, centres);
    for (const Point& p : centres) {
      Colour colour;
      for (size_t c = 0; c < 3; ++c) colour[c] = static_cast<uint8_t>(std::clamp(p[c] + 0.5, 0.0, 255.0));
      palette.push_back(colour);
    }
  }
  if (palette.size() == 1) palette.push_back(palette[0]);
  return palette;
}

}  // namespace langevin
