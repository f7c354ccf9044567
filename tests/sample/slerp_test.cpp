// Between two noises: lengths, ends, angles, and directions that are alike or opposite.
#include "langevin/sample/slerp.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace langevin {
namespace {

using A = HostArrayD;

A noise(uint64_t seed, int64_t elements) {
  return noise_like(A({1, elements}), NoiseKey{seed, 0, Purpose::test, 0});
}

double dot(const A& x, const A& y) {
  double sum = 0;
  for (int64_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
  return sum;
}

double angle(const A& x, const A& y) { return std::acos(dot(x, y) / (norm(x)[0] * norm(y)[0])); }

TEST(Slerp, EndsAreTheEndsExactly) {
  const A a = noise(1, 300), b = noise(2, 300);
  const A begin = slerp(a, b, 0.0), end = slerp(a, b, 1.0);
  for (int64_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(begin[i], a[i]);
    EXPECT_EQ(end[i], b[i]);
  }
}

// The length goes linearly from one to the other (a straight line's would sink to 0.7 of it between two
// noises), the direction turns evenly and stays in their plane.
TEST(Slerp, TurnsEvenlyAtTheLengthBetween) {
  const A a = noise(1, 3000), b = lincomb(1.3, noise(2, 3000));
  const double whole = angle(a, b);
  for (const double u : {0.1, 0.25, 0.5, 0.9}) {
    const A x = slerp(a, b, u);
    EXPECT_NEAR(norm(x)[0], (1 - u) * norm(a)[0] + u * norm(b)[0], 1e-9 * norm(a)[0]);
    EXPECT_NEAR(angle(a, x), u * whole, 1e-9);
    EXPECT_NEAR(angle(x, b), (1 - u) * whole, 1e-9);
  }
  EXPECT_LT(norm(lincomb(0.5, a, 0.5, b))[0], 0.9 * norm(slerp(a, b, 0.5))[0]);
}

TEST(Slerp, IsPerSampleWithAShareOfItsOwn) {
  const A a({2, 2}, {1, 0, 0, 2}), b({2, 2}, {0, 1, 2, 0});
  const A x = slerp(a, b, std::vector<double>{1.0 / 3, 0.5});
  EXPECT_NEAR(x[0], std::cos(std::numbers::pi / 6), 1e-12);
  EXPECT_NEAR(x[1], std::sin(std::numbers::pi / 6), 1e-12);
  EXPECT_NEAR(x[2], std::sqrt(2), 1e-12);
  EXPECT_NEAR(x[3], std::sqrt(2), 1e-12);
}

TEST(Slerp, AlikeDirectionsAreALine) {
  const A a = noise(1, 50);
  for (const double bend : {0.0, 1e-12, 1e-6, 1e-3}) {
    const A b = lincomb(1.0, a, bend, noise(2, 50)), x = slerp(a, b, 0.5), line = lincomb(0.5, a, 0.5, b);
    EXPECT_NEAR(norm(lincomb(1.0, x, -1.0, line))[0], 0, bend * bend * 10 + 1e-12) << bend;
  }
  const A same = slerp(a, a, 0.3), longer = slerp(a, lincomb(2.0, a), 0.5);
  for (int64_t i = 0; i < a.size(); ++i) EXPECT_NEAR(longer[i], 1.5 * a[i], 1e-14);
  for (int64_t i = 0; i < a.size(); ++i) EXPECT_NEAR(same[i], a[i], 1e-14);
}

// There is no shortest way between opposite ones: any half circle will do, but through 0 is none.
TEST(Slerp, OppositeDirectionsGoRound) {
  for (const double bend : {0.0, 1e-12, 1e-5}) {
    const A a = noise(1, 50), b = lincomb(-1.0, a, bend, noise(2, 50));
    for (const double u : {0.25, 0.5, 0.75}) {
      const A x = slerp(a, b, u);
      EXPECT_NEAR(norm(x)[0], norm(a)[0], 1e-4 * norm(a)[0]) << bend << " " << u;
      EXPECT_NEAR(angle(a, x), u * std::numbers::pi, 1e-3) << bend << " " << u;
    }
  }
  const A unit({1, 2}, {0, 1}), round = orthogonal_to(unit);
  EXPECT_NEAR(std::abs(round[0]), 1, 1e-12);
  EXPECT_NEAR(round[1], 0, 1e-12);
}

TEST(Slerp, NothingHasNoDirection) {
  const A zero({1, 4}, 0.0), b({1, 4}, 2.0);
  EXPECT_DOUBLE_EQ(slerp(zero, b, 0.25)[3], 0.5);
  EXPECT_EQ(slerp(zero, zero, 0.25)[0], 0);
}

TEST(Slerp, WorksInSinglePrecisionToo) {
  const HostArrayF a = noise_like(HostArrayF({2, 768}), NoiseKey{1, 0, Purpose::test, 0}),
                   b = noise_like(HostArrayF({2, 768}), NoiseKey{2, 0, Purpose::test, 0});
  const HostArrayF x = slerp(a, b, 0.5);
  for (size_t i = 0; i < 2; ++i) EXPECT_NEAR(norm(x)[i], (norm(a)[i] + norm(b)[i]) / 2, 1e-4);
}

TEST(Slerp, RefusesWhatIsNotBetween) {
  const A a({1, 2}, 1.0);
  EXPECT_THROW(slerp(a, a, -0.1), Error);
  EXPECT_THROW(slerp(a, a, std::nan("")), Error);
}

}  // namespace
}  // namespace langevin
