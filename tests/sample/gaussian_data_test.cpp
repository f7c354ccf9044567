// Gaussian data has a known optimal denoiser, so what a sampler must produce is known too.
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "langevin/sample/sampler.h"

namespace langevin {
namespace {

// A sample has many elements, alternately of two kinds.
constexpr int64_t kSamples = 8, kElements = 1000;
constexpr std::array kMean{0.5, -1.0}, kStddev{0.2, 0.9};

Schedule make(const std::string& kind, int64_t T = 1000, bool zero_snr = false) {
  ScheduleConfig config;
  config.kind = kind;
  config.timesteps = T;
  config.zero_terminal_snr = zero_snr;
  return Schedule(config);
}

SamplerConfig sampler(const std::string& name, int64_t steps, double eta = 0) {
  SamplerConfig config;
  config.name = name;
  config.steps = steps;
  config.eta = eta;
  return config;
}

template <class T>
HostArray<T> sample(const SamplerConfig& config, const Schedule& schedule, int64_t n = kSamples,
                    uint64_t first = 0) {
  std::vector<double> mean(kElements), stddev(kElements);
  for (size_t j = 0; j < kElements; ++j) {
    mean[j] = kMean[j % 2];
    stddev[j] = kStddev[j % 2];
  }
  const auto denoiser = diagonal_gaussian_denoiser<T>(schedule, mean, stddev);
  SampleContext<HostArray<T>> context;
  context.seed = 11;
  context.first_sample = first;
  return run_sampler(config, denoiser, schedule, initial_noise(HostArray<T>({n, kElements}), 11, first),
                     context);
}

template <class T>
void expect_moments(const HostArray<T>& x, const std::string& what, double bias = 0.02) {
  const double n = static_cast<double>(x.size() / 2);
  for (size_t kind = 0; kind < 2; ++kind) {
    double mean = 0, variance = 0;
    for (int64_t j = static_cast<int64_t>(kind); j < x.size(); j += 2) mean += x[j] / n;
    for (int64_t j = static_cast<int64_t>(kind); j < x.size(); j += 2)
      variance += std::pow(x[j] - mean, 2) / n;
    const double s = kStddev[kind];
    EXPECT_NEAR(mean, kMean[kind], s * (4 / std::sqrt(n) + bias)) << what << kind;
    EXPECT_NEAR(variance / (s * s), 1, 4 * std::sqrt(2 / n) + bias) << what << kind;
  }
}

template <class T>
class GaussianData : public testing::Test {};
using Numbers = testing::Types<float, double>;
TYPED_TEST_SUITE(GaussianData, Numbers);

TYPED_TEST(GaussianData, DdpmHasItsMeanAndVariance) {
  for (const std::string variance : {"fixed_small", "fixed_large"}) {
    auto config = sampler("ddpm", 1000);
    config.variance = variance;
    expect_moments(sample<TypeParam>(config, make("linear")), variance);
  }
}

TYPED_TEST(GaussianData, DdimHasItsMeanAndVariance) {
  for (const double eta : {0.0, 0.5, 1.0}) {
    expect_moments(sample<TypeParam>(sampler("ddim", 200, eta), make("cosine")), fmt::format("eta {}", eta),
                   0.03);
  }
  for (const std::string& spacing : spacings()) {
    auto config = sampler("ddim", 250);
    config.spacing = spacing;
    expect_moments(sample<TypeParam>(config, make("linear")), spacing, 0.03);
  }
}

TEST(GaussianDataEnds, ZeroTerminalSnrStartsFromPureNoise) {
  expect_moments(sample<double>(sampler("ddim", 500), make("linear", 1000, true)), "ddim", 0.03);
  expect_moments(sample<double>(sampler("ddpm", 1000), make("linear", 1000, true)), "ddpm", 0.03);
}

// With no noise the probability flow moves every point along a known path: it keeps its place, counted in
// standard deviations of the marginal N(alpha mean, alpha^2 s^2 + sigma^2) (Song et al. 2020,
// arXiv:2011.13456, appendix D.1).
TEST(GaussianDataPath, DdimConvergesToTheProbabilityFlow) {
  const Schedule schedule = make("linear");
  const HostArrayD x_T = initial_noise(HostArrayD({1, kElements}), 11, 0);
  std::vector<double> errors;
  for (const int64_t steps : {50, 100, 1000}) {
    const HostArrayD x0 = sample<double>(sampler("ddim", steps), schedule, 1);
    double worst = 0;
    for (int64_t j = 0; j < kElements; ++j) {
      const double mean = kMean[static_cast<size_t>(j % 2)], s = kStddev[static_cast<size_t>(j % 2)];
      const double alpha = schedule.alpha(999), spread = std::hypot(alpha * s, schedule.sigma(999));
      const double truth = mean + s / spread * (x_T[j] - alpha * mean);
      worst = std::max(worst, std::abs(x0[j] - truth) / s);
    }
    errors.push_back(worst);
  }
  EXPECT_LT(errors[2], 0.03);
  EXPECT_LT(errors[1], 0.7 * errors[0]);  // first order
  EXPECT_LT(errors[2], 0.2 * errors[1]);
}

// Song et al. 2020, arXiv:2010.02502, section 4.1: eta = 1 is DDPM with the posterior's variance. With the
// same noise keys the samples are the same, on any grid.
TEST(DdimEtaOne, IsDdpmFixedSmall) {
  for (const int64_t steps : {10, 37, 1000}) {
    const Schedule schedule = make("linear");
    const HostArrayD a = sample<double>(sampler("ddim", steps, 1), schedule, 2);
    const HostArrayD b = sample<double>(sampler("ddpm", steps), schedule, 2);
    for (int64_t j = 0; j < a.size(); ++j) EXPECT_NEAR(a[j], b[j], 1e-9) << steps;
  }
}

TYPED_TEST(GaussianData, SampleIsTheSameInAnyBatch) {
  for (const auto& config : {sampler("ddpm", 30), sampler("ddim", 30, 0.6), sampler("ddim", 30)}) {
    const auto all = sample<TypeParam>(config, make("linear"), 7);
    for (const auto& [first, n] : {std::pair<int64_t, int64_t>{0, 3}, {3, 4}, {6, 1}}) {
      const auto part = sample<TypeParam>(config, make("linear"), n, static_cast<uint64_t>(first));
      for (int64_t i = 0; i < n; ++i) {
        EXPECT_TRUE(std::ranges::equal(part.sample(i), all.sample(first + i))) << config.name << first << i;
      }
    }
  }
}

}  // namespace
}  // namespace langevin
