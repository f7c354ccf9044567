#include "langevin/kernels/dropout.h"

#include <limits>

#include "langevin/core/check.h"
#include "support.h"

namespace langevin {
namespace {

using test::each_target;
using test::normals;
using test::same_bits;
using test::with_threads;

const NoiseKey kKey = dropout_key(0x123456789abcdef0, 17, 0xfffffffe, 99);

template <class T>
void compare_with_reference(int64_t n, int64_t elements, double p, const std::string& what) {
  const auto x = normals<T>(n * elements, 1);
  auto fast = x;
  auto plain = x;
  apply_dropout(x.data(), fast.data(), n, elements, p, kKey);
  reference::apply_dropout(x.data(), plain.data(), n, elements, p, kKey);
  for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(to_float(fast[i]), to_float(plain[i])) << what << " " << i;
}

TEST(Dropout, MatchesTheReferenceUnderEveryInstructionSet) {
  each_target([](const std::string& target) {
    for (const double p : {0.0, 0.1, 0.5, 0.99999999}) {
      for (const int64_t elements : {1, 7, 8, 515, 20003}) {
        compare_with_reference<float>(3, elements, p, target + " fp32");
        compare_with_reference<BF16>(3, elements, p, target + " bf16");
      }
    }
  });
}

TEST(Dropout, DropsTheShareAskedForAndKeepsTheMean) {
  const int64_t n = 1 << 18;
  const std::vector<float> ones(static_cast<size_t>(n), 1.0F);
  std::vector<float> y(ones.size());
  for (const double p : {0.1, 0.3, 0.75}) {
    apply_dropout(ones.data(), y.data(), 1, n, p, kKey);
    double dropped = 0, sum = 0;
    for (const float value : y) {
      dropped += value == 0 ? 1 : 0;
      sum += static_cast<double>(value);
      ASSERT_TRUE(value == 0 || std::abs(static_cast<double>(value) - 1 / (1 - p)) < 1e-3);
    }
    const double sigma = std::sqrt(p * (1 - p) / static_cast<double>(n));
    EXPECT_NEAR(dropped / static_cast<double>(n), p, 5 * sigma);
    EXPECT_NEAR(sum / static_cast<double>(n), 1, 5 * sigma / (1 - p));
  }
}

TEST(Dropout, ASampleHasItsMaskWhateverTheBatch) {
  const int64_t elements = 1001;
  const auto x = normals<float>(4 * elements, 1);
  std::vector<float> together(x.size()), alone(x.size());
  apply_dropout(x.data(), together.data(), 4, elements, 0.4, kKey);
  for (int64_t i = 0; i < 4; ++i) {
    NoiseKey key = kKey;
    key.sample += static_cast<uint64_t>(i);
    apply_dropout(x.data() + i * elements, alone.data() + i * elements, 1, elements, 0.4, key);
  }
  EXPECT_TRUE(same_bits(together, alone));
}

TEST(Dropout, LayersStepsSamplesAndSeedsDrawDifferentMasks) {
  const std::vector<float> ones(4096, 1.0F);
  const auto mask = [&](const NoiseKey& key) {
    std::vector<float> y(ones.size());
    apply_dropout(ones.data(), y.data(), 1, 4096, 0.5, key);
    return y;
  };
  const auto base = mask(dropout_key(1, 2, 3, 4));
  EXPECT_TRUE(same_bits(base, mask(dropout_key(1, 2, 3, 4))));
  for (const NoiseKey& other :
       {dropout_key(9, 2, 3, 4), dropout_key(1, 9, 3, 4), dropout_key(1, 2, 9, 4), dropout_key(1, 2, 3, 9)}) {
    const auto y = mask(other);
    int agree = 0;
    for (size_t i = 0; i < y.size(); ++i) agree += y[i] == base[i] ? 1 : 0;
    EXPECT_NEAR(agree, 2048, 5 * 32);  // binomial with standard deviation 32
  }
}

TEST(Dropout, SameBitsForAnyNumberOfThreadsAndInPlace) {
  const auto x = normals<BF16>(3 * 50000, 1);
  std::vector<BF16> one(x.size());
  with_threads(1, [&] { apply_dropout(x.data(), one.data(), 3, 50000, 0.2, kKey); });
  for (const int threads : {2, 5}) {
    auto y = x;
    with_threads(threads, [&] { apply_dropout(y.data(), y.data(), 3, 50000, 0.2, kKey); });
    EXPECT_TRUE(same_bits(one, y)) << threads;
  }
}

TEST(Dropout, NotANumberStaysUnlessDropped) {
  const std::vector<float> x(1000, std::numeric_limits<float>::quiet_NaN());
  std::vector<float> y(x.size());
  apply_dropout(x.data(), y.data(), 1, 1000, 0.5, kKey);
  int zeros = 0;
  for (const float value : y) {
    ASSERT_TRUE(std::isnan(value) || value == 0);
    zeros += value == 0 ? 1 : 0;
  }
  EXPECT_NEAR(zeros, 500, 80);
}

TEST(Dropout, RefusesProbabilitiesOutsideItsRange) {
  float x = 1;
  for (const double p : {-0.1, 1.0, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_THROW(apply_dropout(&x, &x, 1, 1, p, kKey), Error);
  }
  EXPECT_THROW(apply_dropout(&x, &x, 1, int64_t{1} << 40, 0.1, kKey), Error);
}

}  // namespace
}  // namespace langevin
