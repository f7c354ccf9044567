// The Frechet distance: closed forms, numbers of scipy and of 60 digits, covariances that are singular.
#include "langevin/eval/frechet.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "langevin/core/check.h"
#include "langevin/core/rng.h"

namespace langevin {
namespace {

GaussianFit diagonal(const std::vector<double>& mean, const std::vector<double>& variances) {
  const size_t d = mean.size();
  GaussianFit g{mean, std::vector<double>(d * d)};
  for (size_t i = 0; i < d; ++i) g.covariance[i * d + i] = variances[i];
  return g;
}

std::vector<float> normal_rows(int64_t n, int64_t dim, uint64_t stream) {
  std::vector<float> rows(static_cast<size_t>(n * dim));
  fill_normal(std::span(rows), NoiseKey{stream, 0, Purpose::test, 3});
  return rows;
}

GaussianFit fitted(const std::vector<float>& rows, int64_t dim) {
  Moments moments(dim);
  moments.add(rows);
  return moments.gaussian();
}

TEST(Frechet, OneApartInEveryMeanIsTheDimension) {
  for (const size_t d : {1, 2, 7, 64}) {
    const std::vector<double> ones(d, 1.0), zeros(d, 0.0);
    EXPECT_NEAR(frechet_distance(diagonal(zeros, ones), diagonal(ones, ones)), static_cast<double>(d), 1e-9);
    const GaussianFit noisy = fitted(normal_rows(300, static_cast<int64_t>(d), 5), static_cast<int64_t>(d));
    GaussianFit moved = noisy;
    for (double& m : moved.mean) m += 1;
    EXPECT_NEAR(frechet_distance(noisy, moved), static_cast<double>(d), 1e-9 * static_cast<double>(d));
    EXPECT_NEAR(frechet_distance(noisy, noisy), 0, 1e-9 * static_cast<double>(d));
  }
}

TEST(Frechet, DiagonalCovariancesHaveTheirClosedForm) {
  const std::vector<double> a{4, 0.25, 9, 1e-6}, b{1, 1, 16, 4};
  double want = 0;
  for (size_t i = 0; i < a.size(); ++i) want += std::pow(std::sqrt(a[i]) - std::sqrt(b[i]), 2);
  EXPECT_NEAR(frechet_distance(diagonal({0, 0, 0, 0}, a), diagonal({0, 0, 0, 0}, b)), want, 1e-12);
}

/// The distance is that of a metric whatever basis it is seen in.
TEST(Frechet, RotationsChangeNothing) {
  const int64_t d = 12;
  const auto x = normal_rows(40, d, 1), y = normal_rows(30, d, 2), q = normal_rows(d, d, 3);
  // Gram-Schmidt of random directions.
  std::vector<std::vector<double>> basis;
  for (int64_t i = 0; i < d; ++i) {
    std::vector<double> v(q.begin() + i * d, q.begin() + (i + 1) * d);
    for (int turn = 0; turn < 2; ++turn) {
      for (const auto& b : basis) {
        double dot = 0;
        for (size_t k = 0; k < v.size(); ++k) dot += v[k] * b[k];
        for (size_t k = 0; k < v.size(); ++k) v[k] -= dot * b[k];
      }
    }
    double norm = 0;
    for (const double value : v) norm += value * value;
    for (double& value : v) value /= std::sqrt(norm);
    basis.push_back(v);
  }
  const auto turned = [&](const std::vector<float>& rows) {
    std::vector<float> out(rows.size());
    for (size_t r = 0; r < rows.size() / static_cast<size_t>(d); ++r) {
      for (size_t i = 0; i < basis.size(); ++i) {
        double sum = 0;
        for (size_t k = 0; k < basis.size(); ++k) sum += basis[i][k] * rows[r * basis.size() + k];
        out[r * basis.size() + i] = static_cast<float>(sum);
      }
    }
    return out;
  };
  const double before = frechet_distance(fitted(x, d), fitted(y, d));
  EXPECT_NEAR(frechet_distance(fitted(turned(x), d), fitted(turned(y), d)), before, 1e-5 * before);
}

/// The generator of the golden file: uniform in (-1, 1).
class Lcg {
 public:
  explicit Lcg(uint64_t seed) : state_(seed) {}
  double next() {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<double>(state_ >> 33) / 2147483648.0 * 2 - 1;
  }
  std::vector<double> matrix(int64_t n, int64_t d) {
    std::vector<double> values(static_cast<size_t>(n * d));
    for (double& value : values) value = next();
    return values;
  }

 private:
  uint64_t state_;
};

std::vector<float> times(const std::vector<double>& x, const std::vector<double>& m, int64_t d, double scale,
                         double offset) {
  std::vector<float> out(x.size());
  for (int64_t r = 0; r < static_cast<int64_t>(x.size()) / d; ++r) {
    for (int64_t j = 0; j < d; ++j) {
      double sum = 0;
      for (int64_t k = 0; k < d; ++k)
        sum += x[static_cast<size_t>(r * d + k)] * m[static_cast<size_t>(k * d + j)];
      out[static_cast<size_t>(r * d + j)] = static_cast<float>(sum * scale + offset);
    }
  }
  return out;
}

/// Two cases of full rank by scipy's sqrtm, two singular ones in 60 digits.
TEST(Frechet, AgreesWithNumbersOfOthers) {
  std::ifstream stream(std::string(LANGEVIN_GOLDEN) + "/frechet.json");
  const auto golden = nlohmann::json::parse(stream);
  for (const auto& c : golden.at("cases")) {
    const int64_t d = c.at("d"), n1 = c.at("n1"), n2 = c.at("n2");
    Lcg g(c.at("seed").get<uint64_t>());
    const auto mix = g.matrix(d, d), x = g.matrix(n1, d), y = g.matrix(n2, d), other = g.matrix(d, d);
    const double fid =
        frechet_distance(fitted(times(x, mix, d, 1, 0), d), fitted(times(y, other, d, 0.7, 0.3), d));
    EXPECT_NEAR(fid, c.at("fid").get<double>(), 2e-7 * c.at("fid").get<double>()) << c.dump();
  }
}

TEST(Moments, DoNotDependOnBatchesNorOnALargeMean) {
  const int64_t d = 5, n = 103;
  std::vector<float> rows = normal_rows(n, d, 9);
  Moments whole(d);
  whole.add(rows);
  Moments pieces(d), first(d), second(d);
  for (int64_t i = 0; i < n; i += 7) {
    const auto piece = std::span<const float>(rows).subspan(
        static_cast<size_t>(i * d), static_cast<size_t>(std::min<int64_t>(7, n - i) * d));
    pieces.add(piece);
    (i % 2 == 0 ? first : second).add(piece);
  }
  first.merge(second);
  for (const Moments* other : {&pieces, &first}) {
    EXPECT_EQ(other->count(), n);
    const GaussianFit a = whole.gaussian(), b = other->gaussian();
    for (size_t i = 0; i < a.mean.size(); ++i) EXPECT_NEAR(a.mean[i], b.mean[i], 1e-12);
    for (size_t i = 0; i < a.covariance.size(); ++i) EXPECT_NEAR(a.covariance[i], b.covariance[i], 1e-12);
  }
  for (float& value : rows) value = std::round(value * 64) / 64 + 4096;  // exact in float
  Moments far(d), near(d);
  far.add(rows);
  for (float& value : rows) value -= 4096;
  near.add(rows);
  for (size_t i = 0; i < near.gaussian().covariance.size(); ++i)
    EXPECT_NEAR(far.gaussian().covariance[i], near.gaussian().covariance[i], 1e-10);
  EXPECT_THROW(Moments(d).gaussian(), Error);
  EXPECT_THROW(whole.add(std::vector<float>(d + 1)), Error);
}

TEST(SingularValues, OfMatricesThatAreKnown) {
  Matrix a(3, 2);  // columns orthogonal: lengths 5 and 2
  a.values = {3, 0, 4, 0, 0, 2};
  auto s = singular_values(a);
  ASSERT_EQ(s.size(), 2u);
  EXPECT_NEAR(s[0], 5, 1e-14);
  EXPECT_NEAR(s[1], 2, 1e-14);
  Matrix wide(2, 3);
  wide.values = {3, 4, 0, 0, 0, 2};
  EXPECT_NEAR(singular_values(wide)[1], 2, 1e-14);
  EXPECT_TRUE(singular_values(Matrix(0, 4)).empty());
  // All ones: one singular value, sqrt(mn).
  Matrix ones(7, 5);
  for (double& value : ones.values) value = 1;
  s = singular_values(ones);
  EXPECT_NEAR(s[0], std::sqrt(35.0), 1e-13);
  for (size_t i = 1; i < s.size(); ++i) EXPECT_NEAR(s[i], 0, 1e-14);
}

TEST(SingularValues, OfTheSecondDifference) {
  const int64_t n = 50;
  const auto found = tridiagonal_eigenvalues(std::vector<double>(static_cast<size_t>(n), 2.0),
                                             std::vector<double>(static_cast<size_t>(n - 1), -1.0));
  for (int64_t k = 0; k < n; ++k) {
    const double want = 2 - 2 * std::cos(M_PI * static_cast<double>(k + 1) / static_cast<double>(n + 1));
    EXPECT_NEAR(found[static_cast<size_t>(k)], want, 1e-13);
  }
}

TEST(CovarianceRoot, FindsTheRank) {
  const int64_t d = 20;
  const GaussianFit g = fitted(normal_rows(8, d, 4), d);
  const Matrix root = covariance_root(g.covariance, d);
  EXPECT_EQ(root.cols, 7);
  for (int64_t i = 0; i < d; ++i) {
    for (int64_t j = 0; j < d; ++j) {
      double sum = 0;
      for (int64_t k = 0; k < root.cols; ++k) sum += root.row(i)[k] * root.row(j)[k];
      EXPECT_NEAR(sum, g.covariance[static_cast<size_t>(i * d + j)], 1e-13);
    }
  }
  EXPECT_EQ(covariance_root(std::vector<double>(9, 0.0), 3).cols, 0);
  EXPECT_THROW(covariance_root(std::vector<double>(4, std::nan("")), 2), Error);
}

}  // namespace
}  // namespace langevin
