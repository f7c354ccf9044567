// What is kept of a set of pictures when only their features have been seen: enough for every metric, and no
// more however many pictures come.
#pragma once

#include <cstdint>
#include <vector>

#include "langevin/core/array.h"
#include "langevin/eval/moments.h"

namespace langevin {

/// What a feature network says of a batch of pictures.
struct FeatureBatch {
  HostArrayF features;       // (B,D)
  HostArrayF probabilities;  // (B,K), rows sum to 1; empty of a network that knows no classes
};

/// Of the class probabilities of some pictures.
struct ClassSums {
  int64_t count = 0;
  std::vector<double> p;  // K, the sums of p(y|x)
  double p_log_p = 0;     // the sum of sum_y p(y|x) log p(y|x)
};
void merge(ClassSums& sums, const ClassSums& other);

struct TallyLimits {
  int64_t parts = 10;    // disjoint random parts, for errors by leaving one out; at least 2
  int64_t kept = 10000;  // features kept one by one, for metrics that look at neighbours
};

class FeatureTally {
 public:
  /// D features, K classes or 0.
  FeatureTally(int64_t dim, int64_t classes, TallyLimits limits);
  /// From what was kept before; parts, sums (or none) and kept belong together.
  FeatureTally(std::vector<Moments> parts, std::vector<ClassSums> sums, HostArrayF kept);

  /// The next pictures, in order. Picture i goes to a part that its number alone decides, at random and so
  /// that all parts stay equally large. Error: features that are not finite numbers, other widths.
  void add(const FeatureBatch& batch);

  int64_t count() const { return count_; }
  int64_t dim() const { return parts_[0].dim(); }
  const std::vector<Moments>& parts() const { return parts_; }
  const std::vector<ClassSums>& class_sums() const { return sums_; }  // by part; empty: no classes
  /// (min(count, limit), D), those of the first pictures.
  HostArrayF kept() const;

 private:
  int64_t count_ = 0, limit_ = 0;
  std::vector<Moments> parts_;
  std::vector<ClassSums> sums_;
  std::vector<float> kept_;
};

/// The part of `parts` that picture i belongs to.
int64_t tally_part(int64_t i, int64_t parts);

}  // namespace langevin
