// Linear algebra of the Frechet distance, in double and without LAPACK.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace langevin {

/// A matrix, row-major.
struct Matrix {
  int64_t rows = 0, cols = 0;
  std::vector<double> values;

  Matrix() = default;
  Matrix(int64_t rows, int64_t cols) : rows(rows), cols(cols), values(static_cast<size_t>(rows * cols)) {}
  double* row(int64_t i) { return values.data() + i * cols; }
  const double* row(int64_t i) const { return values.data() + i * cols; }
};

/// L (D,r) with L L^T = the symmetric positive semidefinite `covariance` (D,D): Cholesky with the largest
/// pivot first, which ends at the rank r. What rounding has made slightly negative counts as zero.
Matrix covariance_root(std::span<const double> covariance, int64_t dim);

/// A^T B of A (k,m) and B (k,n).
Matrix transposed_product(const Matrix& a, const Matrix& b);

/// Eigenvalues, ascending, of the symmetric tridiagonal matrix with that diagonal (n) and what is beside it
/// (n - 1): implicit QL with Wilkinson's shift (Golub & Van Loan, 8.3). Error if it does not converge.
std::vector<double> tridiagonal_eigenvalues(std::vector<double> diagonal, std::vector<double> beside);

/// The min(m,n) singular values, descending: Householder's way to bidiagonal form, then the eigenvalues of
/// the symmetric matrix of Golub & Kahan (1965), whose accuracy is that of the largest singular value.
std::vector<double> singular_values(Matrix a);

}  // namespace langevin
