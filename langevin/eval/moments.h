// Mean and covariance of vectors that come a batch at a time: memory does not grow with their number.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace langevin {

/// A Gaussian: mean (D), covariance (D,D) row-major and symmetric.
struct GaussianFit {
  std::vector<double> mean, covariance;
  int64_t dim() const { return static_cast<int64_t>(mean.size()); }
};

/// Count, mean and scatter (the sum of outer products of what is left when the mean is taken away), in
/// double. Batches are centred before their products are taken and joined by the rule of Chan, Golub &
/// LeVeque (1983), so that a large mean costs no digits.
class Moments {
 public:
  explicit Moments(int64_t dim);
  /// From what was kept of another: mean (D), scatter (D,D), of which the part on and above the diagonal is
  /// read.
  Moments(int64_t count, std::vector<double> mean, std::vector<double> scatter);

  /// Rows (N,D), N from 0.
  void add(std::span<const float> rows);
  /// As if the other's vectors had been added here. Error if D differs.
  void merge(const Moments& other);

  int64_t count() const { return count_; }
  int64_t dim() const { return static_cast<int64_t>(mean_.size()); }
  const std::vector<double>& mean() const { return mean_; }
  /// (D,D); below the diagonal it is not kept.
  const std::vector<double>& scatter() const { return scatter_; }
  /// With the unbiased covariance, scatter / (count - 1). Error below two vectors.
  GaussianFit gaussian() const;

 private:
  void join(int64_t count, const std::vector<double>& mean);
  int64_t count_ = 0;
  std::vector<double> mean_, scatter_;
};

/// All of them together; Error if there is none.
Moments merged(std::span<const Moments> parts);

}  // namespace langevin
