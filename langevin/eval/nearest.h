// Memorisation: of each sample the training picture that is nearest to it, and how near samples are compared
// with real pictures.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "langevin/eval/picture_source.h"

namespace langevin {

struct NearestPicture {
  int64_t place = -1;   // in the source
  double distance = 0;  // root mean square of the differences of 8-bit values, 0 to 255
};

struct NearestQuery {
  Image picture;
  int64_t own = -1;  // its place in the source, which does not count; -1: it is not from there
};

struct NearestProgress {
  std::function<void(int64_t done)> progress;
  std::function<bool()> stopped;
};

/// One pass over `pictures`, a few hundred at a time. Error: pictures of another size or channel count, no
/// picture, or stopped.
std::vector<NearestPicture> nearest_pictures(const std::vector<NearestQuery>& queries,
                                             const PictureSource& pictures, const NearestProgress& how);

/// What distances of samples say next to those that real pictures have among themselves.
struct Memorisation {
  std::vector<NearestPicture> samples, real;  // of each
  double median = 0, real_median = 0;
  double close_share =
      0;  // of the samples: nearer than 95 % of the real pictures are; 0.05 where nothing is memorised
};

/// `real` as many places of the source, from its end, against all others.
Memorisation memorisation(const std::vector<Image>& samples, const PictureSource& pictures, int64_t real,
                          const NearestProgress& how);

/// The value that a share `q` of the values lies below; of none NaN.
double quantile(std::vector<double> values, double q);

}  // namespace langevin
