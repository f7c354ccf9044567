// The Frechet distance between Gaussians (Dowson & Landau 1982), on which FID stands:
//   |mu_1 - mu_2|^2 + tr(C_1 + C_2 - 2 (C_1 C_2)^{1/2}).
#pragma once

#include "langevin/eval/moments.h"
#include "langevin/eval/singular_values.h"

namespace langevin {

/// A Gaussian made ready to be compared with others.
struct FrechetSide {
  std::vector<double> mean;
  double trace = 0;  // of the covariance
  Matrix root;       // L (D,r), L L^T the covariance
};
FrechetSide frechet_side(const GaussianFit& gaussian);

/// The square of the distance, which is what the field calls FID. The trace of (C_1 C_2)^{1/2} is the sum of
/// the singular values of L_1^T L_2: no square root is taken of a matrix that is not symmetric, so nothing
/// turns complex, and covariances of any rank do. Error if D differs.
double frechet_distance(const FrechetSide& a, const FrechetSide& b);
double frechet_distance(const GaussianFit& a, const GaussianFit& b);

}  // namespace langevin
