// The metrics of samples where the answer is known, and against whole-matrix numbers of numpy.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "langevin/core/check.h"
#include "langevin/core/rng.h"
#include "langevin/eval/fid.h"
#include "langevin/eval/frechet.h"
#include "langevin/eval/inception_score.h"
#include "langevin/eval/kid.h"
#include "langevin/eval/precision_recall.h"
#include "langevin/eval/products.h"

namespace langevin {
namespace {

HostArrayF normal(int64_t n, int64_t d, uint64_t stream, float scale = 1, float offset = 0) {
  HostArrayF x({n, d});
  fill_normal(x.data(), NoiseKey{stream, 0, Purpose::test, 4});
  for (float& value : x.data()) value = value * scale + offset;
  return x;
}

FeatureTally tally_of(const HostArrayF& x, int64_t parts = 10, int64_t kept = 10000) {
  FeatureTally tally(x.sample_size(), 0, {parts, kept});
  for (int64_t i = 0; i < x.batch(); i += 97)
    tally.add({rows(x, i, std::min<int64_t>(97, x.batch() - i)), {}});
  return tally;
}

struct Golden {
  nlohmann::json numbers;
  HostArrayF samples, real;
  Golden() {
    std::ifstream stream(std::string(LANGEVIN_GOLDEN) + "/sample_metrics.json");
    numbers = nlohmann::json::parse(stream);
    uint64_t state = numbers.at("seed");
    const auto next = [&] {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      return static_cast<double>(state >> 33) / 2147483648.0 * 2 - 1;
    };
    const Shape shape{numbers.at("n"), numbers.at("d")};
    samples = HostArrayF(shape);
    real = HostArrayF(shape);
    for (float& value : samples.data()) value = static_cast<float>(next());
    for (float& value : real.data()) value = static_cast<float>(next() * 1.3 + 0.2);
  }
  double at(const char* name) const { return numbers.at(name); }
};

TEST(SampleMetrics, AgreeWithNumpy) {
  const Golden g;
  EXPECT_NEAR(squared_mmd(g.samples, g.real), g.at("mmd"), 1e-6);
  const Kid k = kid(g.samples, g.real);
  EXPECT_NEAR(k.value, g.at("kid"), 1e-6);
  EXPECT_NEAR(k.standard_error, g.at("kid_error"), 1e-6);
  const PrecisionRecall pr = precision_recall(g.samples, g.real);
  EXPECT_DOUBLE_EQ(pr.precision.value, g.at("precision"));
  EXPECT_DOUBLE_EQ(pr.recall.value, g.at("recall"));
  const DensityCoverage dc = density_coverage(g.samples, g.real);
  EXPECT_NEAR(dc.density.value, g.at("density"), 1e-12);
  EXPECT_DOUBLE_EQ(dc.coverage.value, g.at("coverage"));
}

TEST(Fid, OfSamplesOneApartIsTheDimensionAndItsErrorIsRight) {
  const int64_t d = 4;
  const FeatureTally real = tally_of(normal(40000, d, 1), 2);
  // The error that the jackknife tells is the spread of repetitions.
  std::vector<double> values, errors, infinities;
  for (uint64_t run = 0; run < 12; ++run) {
    const Fid f = fid(tally_of(normal(2000, d, 10 + run, 1, 1)), real, 1);
    values.push_back(f.value);
    errors.push_back(f.standard_error);
    infinities.push_back(f.infinity);
  }
  const auto mean = [](const std::vector<double>& v) {
    double sum = 0;
    for (double value : v) sum += value / static_cast<double>(v.size());
    return sum;
  };
  double square = 0;
  for (const double value : values) square += std::pow(value - mean(values), 2) / 11;
  EXPECT_NEAR(mean(values), d, 0.1);
  EXPECT_NEAR(mean(errors) / std::sqrt(square), 1, 0.5);
}

/// FID of two samples of one distribution is bias alone; the extrapolation takes it away.
TEST(Fid, ExtrapolatesTheBiasAway) {
  const int64_t d = 16;
  const FeatureTally real = tally_of(normal(60000, d, 2), 2);
  double value = 0, infinity = 0, floor = 0;
  for (uint64_t run = 0; run < 5; ++run) {
    const Fid f = fid(tally_of(normal(400, d, 40 + run)), real, 2);
    value += f.value / 5;
    infinity += f.infinity / 5;
    floor = f.floor;
  }
  EXPECT_GT(value, 0.2);
  EXPECT_LT(std::abs(infinity), 0.15 * value);
  EXPECT_LT(floor, 0.02);
  EXPECT_GT(floor, 0);
}

TEST(Fid, WarnsOfFewSamplesAndOfSingularCovariances) {
  const FeatureTally real = tally_of(normal(3000, 32, 3), 2);
  const auto few = measure_fid(tally_of(normal(31, 32, 4)), real, {}).at(0);
  ASSERT_EQ(few.warnings.size(), 1u);
  EXPECT_NE(few.warnings[0].find("singular"), std::string::npos);
  EXPECT_TRUE(std::isfinite(few.value) && std::isfinite(*few.standard_error));
  EXPECT_GT(few.details.at("bias").get<double>(), 0.3 * few.value);
  const auto some = measure_fid(tally_of(normal(300, 32, 4)), real, {}).at(0);
  ASSERT_EQ(some.warnings.size(), 1u);
  EXPECT_NE(some.warnings[0].find("few"), std::string::npos);
  EXPECT_THROW(fid(tally_of(normal(1, 32, 4)), real, 1), Error);
  EXPECT_THROW(fid(tally_of(normal(300, 31, 4)), real, 1), Error);
}

TEST(Kid, IsZeroForOneDistributionWithinItsError) {
  int far = 0;
  for (uint64_t run = 0; run < 10; ++run) {
    const Kid k = kid(normal(600, 8, 100 + run), normal(600, 8, 200 + run));
    far += std::abs(k.value) > 2.5 * k.standard_error ? 1 : 0;
  }
  EXPECT_LE(far, 2);
  const Kid apart = kid(normal(600, 8, 1), normal(600, 8, 2, 1, 1));
  EXPECT_GT(apart.value, 10 * apart.standard_error);
  EXPECT_EQ(kid(normal(2500, 2, 1), normal(3000, 2, 2)).block_size, 250);
  EXPECT_THROW(kid(normal(3, 2, 1), normal(30, 2, 2)), Error);
}

TEST(PrecisionRecall, WhereTheAnswerIsKnown) {
  const HostArrayF x = normal(300, 6, 1);
  const auto same = precision_recall(x, x);
  EXPECT_EQ(same.precision.value, 1);
  EXPECT_EQ(same.recall.value, 1);
  const auto dense = density_coverage(x, x);
  EXPECT_EQ(dense.coverage.value, 1);
  EXPECT_NEAR(dense.density.value, 1, 0.25);  // 1 in expectation, and each lies in its own ball
  const auto apart = precision_recall(x, normal(300, 6, 2, 1, 100));
  EXPECT_EQ(apart.precision.value, 0);
  EXPECT_EQ(apart.recall.value, 0);
  EXPECT_EQ(density_coverage(x, normal(300, 6, 2, 1, 100)).coverage.value, 0);
  // Samples of one of two clusters: all precise, half recalled.
  HostArrayF real({300, 6}), one = normal(300, 6, 5, 0.1F);
  for (int64_t i = 0; i < 300; ++i) {
    const auto from = normal(1, 6, 1000 + static_cast<uint64_t>(i), 0.1F, i % 2 == 0 ? 0.0F : 9.0F);
    std::copy(from.data().begin(), from.data().end(), real.sample(i).begin());
  }
  const auto half = precision_recall(one, real);
  EXPECT_GT(half.precision.value, 0.85);
  EXPECT_NEAR(half.recall.value, 0.5, 0.05);
  EXPECT_NEAR(density_coverage(one, real).coverage.value, 0.5, 0.05);
  EXPECT_THROW(precision_recall(rows(x, 0, 3), rows(x, 0, 3)), Error);
}

TEST(InceptionScore, BetweenOneAndTheNumberOfClasses) {
  const int64_t classes = 4;
  const auto score = [&](auto probability) {
    FeatureTally tally(1, classes, {10, 0});
    HostArrayF p({400, classes});
    for (int64_t i = 0; i < 400; ++i) {
      for (int64_t k = 0; k < classes; ++k) p.sample(i)[static_cast<size_t>(k)] = probability(i, k);
    }
    tally.add({HostArrayF({400, 1}), p});
    return measure_inception_score(tally, tally, {}).at(0);
  };
  EXPECT_NEAR(score([](int64_t i, int64_t k) { return i % 4 == k ? 1.0F : 0.0F; }).value, 4, 0.01);
  EXPECT_NEAR(score([](int64_t, int64_t k) { return k == 2 ? 1.0F : 0.0F; }).value, 1, 1e-6);
  EXPECT_NEAR(score([](int64_t, int64_t) { return 0.25F; }).value, 1, 1e-6);
  const Golden g;
  ClassSums sums{0, std::vector<double>(5), 0};
  FeatureTally tally(1, 5, {2, 0});
  HostArrayF p = g.samples;
  for (int64_t i = 0; i < p.batch(); ++i) {
    double sum = 0;
    for (float& value : p.sample(i)) sum += value = std::exp(value);
    for (float& value : p.sample(i)) value = static_cast<float>(value / sum);
  }
  tally.add({HostArrayF({p.batch(), 1}), p});
  for (const ClassSums& part : tally.class_sums()) merge(sums, part);
  EXPECT_NEAR(inception_score(sums), g.at("inception_score"), 1e-6);
}

TEST(Products, DistancesAreThoseOfTheDefinition) {
  const HostArrayF x = normal(300, 7, 1, 1, 50), y = normal(40, 7, 2, 1, 50);
  int64_t seen = 0;
  each_distances(x, y, [&](int64_t first, int64_t count, std::span<const float> squared) {
    EXPECT_EQ(first, seen);
    seen += count;
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t j = 0; j < 40; ++j) {
        double want = 0;
        for (size_t k = 0; k < 7; ++k)
          want += std::pow(static_cast<double>(x.sample(first + i)[k]) - y.sample(j)[k], 2);
        ASSERT_NEAR(squared[static_cast<size_t>(i * 40 + j)], want, 1e-4);
      }
    }
  });
  EXPECT_EQ(seen, 300);
}

TEST(Tally, PartsAreEvenAndDoNotFollowTheClasses) {
  // Classes take turns; every part gets as many of each, about.
  std::vector<std::vector<int>> classes(10, std::vector<int>(10));
  for (int64_t i = 0; i < 5000; ++i)
    ++classes[static_cast<size_t>(tally_part(i, 10))][static_cast<size_t>(i % 10)];
  for (const auto& part : classes) {
    int all = 0;
    for (const int count : part) {
      EXPECT_GT(count, 20);
      all += count;
    }
    EXPECT_EQ(all, 500);
  }
}

TEST(Tally, RefusesWhatIsNoNumber) {
  FeatureTally tally(2, 0, {2, 10});
  HostArrayF x({1, 2});
  x[1] = std::nanf("");
  EXPECT_THROW(tally.add({x, {}}), Error);
  EXPECT_THROW(tally.add({HostArrayF({1, 3}), {}}), Error);
}

}  // namespace
}  // namespace langevin
