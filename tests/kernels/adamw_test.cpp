#include "langevin/kernels/adamw.h"

#include <limits>

#include "langevin/core/check.h"
#include "support.h"

namespace langevin {
namespace {

using test::each_target;
using test::expect_near;
using test::normals;
using test::same_bits;
using test::with_threads;

template <class G>
struct State {
  explicit State(int64_t n)
      : gradient(normals<G>(n, 1)),
        weight(normals<float>(n, 2)),
        m(normals<float>(n, 3, 0, 0.1F)),
        v(normals<float>(n, 4, 0, 0.1F)),
        ema(normals<float>(n, 5)),
        copy(weight.size()) {
    for (float& value : v) value *= value;
  }
  AdamWArrays<G> adamw() {
    return {static_cast<int64_t>(weight.size()),
            gradient.data(),
            weight.data(),
            m.data(),
            v.data(),
            ema.data(),
            copy.data()};
  }
  SgdArrays<G> sgd() {
    return {static_cast<int64_t>(weight.size()),
            gradient.data(),
            weight.data(),
            m.data(),
            ema.data(),
            copy.data()};
  }

  std::vector<G> gradient;
  std::vector<float> weight, m, v, ema;
  std::vector<BF16> copy;
};

template <class G>
void expect_equal_states(const State<G>& a, const State<G>& b, const std::string& what) {
  expect_near(a.weight, b.weight, 1e-7F, 5e-7F, what + " weight");
  expect_near(a.m, b.m, 1e-7F, 5e-7F, what + " m");
  expect_near(a.v, b.v, 1e-9F, 5e-7F, what + " v");
  expect_near(a.ema, b.ema, 1e-7F, 5e-7F, what + " ema");
  for (size_t i = 0; i < a.copy.size(); ++i) ASSERT_EQ(a.copy[i].bits, to_bf16(a.weight[i]).bits) << what;
}

const AdamWOptions kAdamW{.lr = 3e-3,
                          .beta1 = 0.9,
                          .beta2 = 0.99,
                          .eps = 1e-8,
                          .weight_decay = 0.1,
                          .bias1 = 0.271,
                          .bias2 = 0.0297,
                          .gradient_multiplier = 0.25,
                          .ema_decay = 0.999};

template <class G>
void compare_with_reference(int64_t n, const std::string& what) {
  State<G> fast(n), plain(n);
  adamw_step(fast.adamw(), kAdamW);
  reference::adamw_step(plain.adamw(), kAdamW);
  expect_equal_states(fast, plain, what + " adamw");
  for (const bool nesterov : {false, true}) {
    const SgdOptions sgd{
        .lr = 0.02, .weight_decay = 0.1, .nesterov = nesterov, .gradient_multiplier = 0.5, .ema_decay = 0.99};
    sgd_step(fast.sgd(), sgd);
    reference::sgd_step(plain.sgd(), sgd);
    expect_equal_states(fast, plain, what + " sgd");
  }
}

TEST(AdamW, MatchesTheReferenceUnderEveryInstructionSet) {
  each_target([](const std::string& target) {
    for (const int64_t n : {0, 1, 7, 16, 33, 1000, 70001}) {
      compare_with_reference<float>(n, target + " fp32 " + std::to_string(n));
      compare_with_reference<BF16>(n, target + " bf16 " + std::to_string(n));
    }
  });
}

TEST(AdamW, TheFirstStepMovesByTheLearningRateAgainstTheSign) {
  // From m = v = 0 with bias corrections m / bias1 = g and v / bias2 = g^2, whatever the size of g.
  State<float> s(100);
  std::fill(s.m.begin(), s.m.end(), 0.0F);
  std::fill(s.v.begin(), s.v.end(), 0.0F);
  const std::vector<float> before = s.weight;
  const AdamWOptions options{.lr = 0.01, .eps = 0, .bias1 = 1 - 0.9, .bias2 = 1 - 0.999};
  const std::vector<float> ema = s.ema;
  adamw_step(s.adamw(), options);
  for (size_t i = 0; i < 100; ++i) {
    EXPECT_NEAR(s.weight[i], before[i] - (s.gradient[i] > 0 ? 0.01F : -0.01F), 1e-6F);
  }
  EXPECT_TRUE(same_bits(s.ema, ema)) << "ema_decay = 1 leaves the average alone";
}

TEST(AdamW, DecayIsDecoupledFromTheGradient) {
  State<float> s(50);
  std::fill(s.gradient.begin(), s.gradient.end(), 0.0F);
  std::fill(s.m.begin(), s.m.end(), 0.0F);
  const std::vector<float> before = s.weight;
  adamw_step(s.adamw(), {.lr = 0.1, .weight_decay = 0.5});
  for (size_t i = 0; i < 50; ++i) EXPECT_NEAR(s.weight[i], 0.95F * before[i], 1e-6F);
}

TEST(AdamW, OptionalArraysMayBeAbsent) {
  State<float> whole(100), bare(100);
  adamw_step(whole.adamw(), kAdamW);
  AdamWArrays<float> arrays = bare.adamw();
  arrays.ema = nullptr;
  arrays.weight_bf16 = nullptr;
  adamw_step(arrays, kAdamW);
  EXPECT_TRUE(same_bits(whole.weight, bare.weight));
}

TEST(AdamW, RefusesAMissingBiasCorrection) {
  State<float> s(4);
  EXPECT_THROW(adamw_step(s.adamw(), {.bias1 = 0}), Error);
  EXPECT_THROW(adamw_step(s.adamw(), {.bias2 = 0}), Error);
}

TEST(Sgd, MomentumOfAConstantGradientIsAGeometricSum) {
  State<float> s(40);
  std::fill(s.gradient.begin(), s.gradient.end(), 2.0F);
  std::fill(s.m.begin(), s.m.end(), 0.0F);
  for (int t = 0; t < 5; ++t) sgd_step(s.sgd(), {.lr = 0, .momentum = 0.5});
  for (const float b : s.m) EXPECT_NEAR(b, 2 * (1 - std::pow(0.5F, 5.0F)) / 0.5F, 1e-6F);
}

TEST(SumOfSquares, IsExactForSmallIntegers) {
  for (const int64_t n : {0, 1, 15, 40000, 100003}) {
    std::vector<float> x(static_cast<size_t>(n));
    double expected = 0;
    for (int64_t i = 0; i < n; ++i) {
      x[static_cast<size_t>(i)] = static_cast<float>(i % 100 - 50);
      expected += std::pow(static_cast<double>(i % 100 - 50), 2);
    }
    std::vector<BF16> half(x.size());
    for (size_t i = 0; i < x.size(); ++i) half[i] = to_bf16(x[i]);
    each_target([&](const std::string& target) {
      EXPECT_EQ(sum_of_squares(x.data(), n), expected) << target;
      EXPECT_EQ(sum_of_squares(half.data(), n), expected) << target;
    });
    EXPECT_EQ(reference::sum_of_squares(x.data(), n), expected);
  }
}

TEST(SumOfSquares, ShowsABrokenGradientAndOnlyThat) {
  std::vector<float> x(100000, 1e30F);  // its squares overflow fp32
  EXPECT_NEAR(sum_of_squares(x.data(), 100000) / 1e65, 1, 1e-6);
  for (const size_t at : {size_t{0}, size_t{50001}, size_t{99999}}) {
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
      std::vector<float> broken(100000, 1.0F);
      broken[at] = bad;
      EXPECT_FALSE(std::isfinite(sum_of_squares(broken.data(), 100000)));
    }
  }
}

TEST(SumOfSquares, SameBitsForAnyNumberOfThreads) {
  const auto x = normals<float>(300007, 9);
  double one = 0;
  with_threads(1, [&] { one = sum_of_squares(x.data(), 300007); });
  for (const int threads : {2, 3, 7}) {
    with_threads(threads, [&] { EXPECT_EQ(sum_of_squares(x.data(), 300007), one); });
  }
  EXPECT_NEAR(one, reference::sum_of_squares(x.data(), 300007), 1e-12 * one);
}

}  // namespace
}  // namespace langevin
