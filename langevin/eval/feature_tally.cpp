#include "langevin/eval/feature_tally.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "langevin/core/check.h"
#include "langevin/core/rng.h"

namespace langevin {
namespace {

size_t at(int64_t i) { return static_cast<size_t>(i); }

void add_row(ClassSums& sums, std::span<const float> p) {
  ++sums.count;
  for (size_t k = 0; k < p.size(); ++k) {
    const double value = p[k];
    sums.p[k] += value;
    if (value > 0) sums.p_log_p += value * std::log(value);
  }
}

}  // namespace

void merge(ClassSums& sums, const ClassSums& other) {
  check(sums.p.size() == other.p.size(), "ClassSums", "{} and {} classes do not belong together",
        sums.p.size(), other.p.size());
  sums.count += other.count;
  sums.p_log_p += other.p_log_p;
  for (size_t k = 0; k < sums.p.size(); ++k) sums.p[k] += other.p[k];
}

int64_t tally_part(int64_t i, int64_t parts) {
  // Steps 0 and 1 are the orders of epochs and of what training holds out.
  const NoiseKey key{0, static_cast<uint64_t>(i / parts), Purpose::data_order, 3};
  return permutation(static_cast<uint32_t>(parts), key)[at(i % parts)];
}

FeatureTally::FeatureTally(int64_t dim, int64_t classes, TallyLimits limits)
    : limit_(limits.kept), parts_(at(limits.parts), Moments(dim)) {
  check(limits.parts >= 2 && limits.kept >= 0, "FeatureTally", "{} parts, {} kept", limits.parts,
        limits.kept);
  if (classes > 0) sums_.assign(at(limits.parts), ClassSums{0, std::vector<double>(at(classes)), 0});
}

FeatureTally::FeatureTally(std::vector<Moments> parts, std::vector<ClassSums> sums, HostArrayF kept)
    : parts_(std::move(parts)), sums_(std::move(sums)), kept_(kept.data().begin(), kept.data().end()) {
  check(parts_.size() >= 2 && (sums_.empty() || sums_.size() == parts_.size()), "FeatureTally",
        "{} parts with {} sums of classes", parts_.size(), sums_.size());
  for (const Moments& part : parts_) {
    check(part.dim() == dim(), "FeatureTally", "its parts have {} and {} features", dim(), part.dim());
    count_ += part.count();
  }
  limit_ = kept_.empty() ? 0 : kept.batch();
  check(static_cast<int64_t>(kept_.size()) == limit_ * dim() && limit_ <= count_, "FeatureTally",
        "{} values kept of {} pictures with {} features", kept_.size(), count_, dim());
}

void FeatureTally::add(const FeatureBatch& batch) {
  const int64_t n = batch.features.batch(), d = dim(), parts = static_cast<int64_t>(parts_.size());
  check(batch.features.sample_size() == d || n == 0, "FeatureTally", "expected {} features, got {}", d,
        batch.features.sample_size());
  for (const float value : batch.features.data())
    check(std::isfinite(value), "features", "the feature network gives numbers that are not finite");
  std::vector<std::vector<float>> rows(at(parts));
  for (int64_t i = 0; i < n; ++i) {
    const auto row = batch.features.sample(i);
    const int64_t part = tally_part(count_ + i, parts);
    rows[at(part)].insert(rows[at(part)].end(), row.begin(), row.end());
    if (static_cast<int64_t>(kept_.size()) < limit_ * d) kept_.insert(kept_.end(), row.begin(), row.end());
    if (!sums_.empty()) add_row(sums_[at(part)], batch.probabilities.sample(i));
  }
  for (int64_t part = 0; part < parts; ++part) parts_[at(part)].add(rows[at(part)]);
  count_ += n;
}

HostArrayF FeatureTally::kept() const { return {{static_cast<int64_t>(kept_.size()) / dim(), dim()}, kept_}; }

}  // namespace langevin
