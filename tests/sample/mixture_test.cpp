// What stochastic samplers make of a mixture of eight Gaussians has its weights, means and covariances.
#include <gtest/gtest.h>

#include "langevin/core/rng.h"
#include "langevin/sample/mixture_check.h"

namespace langevin {
namespace {

void expect_pass(const MixtureResult& r) {
  EXPECT_LE(r.weight_error, r.weight_limit) << r.name;
  EXPECT_LE(r.mean_error, r.mean_limit) << r.name;
  EXPECT_LE(r.covariance_error, r.covariance_limit) << r.name;
}

/// n draws of the mixture itself, the spread of each component times `spread`, all moved by `shift`.
HostArrayD draw(int64_t n, double spread, double shift, bool even_weights = false) {
  Mixture mixture = eight_gaussians();
  if (even_weights) mixture.weights.assign(8, 0.125);
  RandomStream random({3, 0, Purpose::test, 0});
  HostArrayD out({n, 2});
  for (int64_t i = 0; i < n; ++i) {
    double left = random.uniform();
    size_t k = 0;
    while (k < 7 && (left -= mixture.weights[k]) > 0) ++k;
    for (size_t d = 0; d < 2; ++d) {
      out.sample(i)[d] = mixture.means[k][d] + shift + spread * mixture.stddevs[k] * random.normal();
    }
  }
  return out;
}

TEST(MixtureStatistics, TellTheMixtureFromOthers) {
  EXPECT_TRUE(mixture_statistics("true", draw(8000, 1, 0)).pass());
  EXPECT_GT(mixture_statistics("wide", draw(8000, 1.25, 0)).covariance_error, 0.4);
  EXPECT_FALSE(mixture_statistics("wide", draw(8000, 1.25, 0)).pass());
  EXPECT_FALSE(mixture_statistics("narrow", draw(8000, 0.7, 0)).pass());
  EXPECT_FALSE(mixture_statistics("moved", draw(8000, 1, 0.03)).pass());
  EXPECT_FALSE(mixture_statistics("even", draw(8000, 1, 0, true)).pass());
  EXPECT_FALSE(mixture_statistics("one place", HostArrayD({8000, 2}, 0.7)).pass());
}

TEST(Mixture, AFewSamplersMakeIt) {
  for (const MixtureCase& mixture_case : mixture_cases()) {
    if (mixture_case.name == "sde_dpmsolver++ 2" || mixture_case.name == "euler_ancestral") {
      expect_pass(check_mixture_sampler(mixture_case, 2000, 1));
    }
  }
}

TEST(MixtureSlow, EveryStochasticSamplerMakesIt) {
  for (const MixtureCase& mixture_case : mixture_cases()) {
    expect_pass(check_mixture_sampler(mixture_case, 8000, 1));
  }
}

TEST(MixtureSlow, EveryDeterministicSamplerMakesIt) {
  for (const std::string& name : sampler_names()) {
    if (name == "ddpm" || name == "lcm" || name.rfind("sde", 0) == 0) continue;
    SamplerConfig config;
    config.name = name;
    config.steps = name == "ddim" || name == "euler" || name == "flow_euler" ? 500 : 100;
    config.spacing = name == "ddim" || name == "pndm" ? "trailing" : "karras";
    expect_pass(check_mixture_sampler({name, config}, 8000, 2));
  }
}

}  // namespace
}  // namespace langevin
