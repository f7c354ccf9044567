// Classifier guidance against a closed form: a mixture whose components are sorted into classes. The exact
// classifier's gradient turns the denoiser of all the data into that of one class.
#include "langevin/sample/classifier_guidance.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "langevin/diffusion/mixture.h"
#include "langevin/sample/mixture_check.h"
#include "langevin/sample/sampler.h"

namespace langevin {
namespace {

using A = HostArrayD;

const Mixture& data() {
  static const Mixture mixture = eight_gaussians();
  return mixture;
}

/// Components of even number, or of odd.
Mixture of_class(int64_t label) {
  Mixture part;
  for (size_t k = static_cast<size_t>(label); k < data().weights.size(); k += 2) {
    part.weights.push_back(data().weights[k]);
    part.means.push_back(data().means[k]);
    part.stddevs.push_back(data().stddevs[k]);
  }
  return part;
}

/// grad_x log (sum_k r_k) of the class's components among all: by the definition of a mixture, not through
/// any denoiser. log N_k(x) has the gradient (alpha mean_k - x) / variance_k.
ClassifierGradient<A> exact_gradient(const NoisePath& path) {
  return [path](const A& x_t, double t, const std::vector<int64_t>& classes) {
    const PathPoint p = path.at(t);
    A out = x_t;
    for (int64_t i = 0; i < x_t.batch(); ++i) {
      std::array<double, 2> sum{};  // densities of all and of the class
      std::array<std::array<double, 2>, 2> slope{};
      double top = -1e300;
      std::vector<double> logs;
      for (size_t k = 0; k < data().weights.size(); ++k) {
        const double variance = std::pow(p.alpha * data().stddevs[k], 2) + p.sigma * p.sigma;
        double log_density = std::log(data().weights[k]) - std::log(variance);
        for (size_t d = 0; d < 2; ++d)
          log_density -= 0.5 * std::pow(x_t.sample(i)[d] - p.alpha * data().means[k][d], 2) / variance;
        logs.push_back(log_density);
        top = std::max(top, log_density);
      }
      for (size_t k = 0; k < logs.size(); ++k) {
        const double variance = std::pow(p.alpha * data().stddevs[k], 2) + p.sigma * p.sigma;
        const double density = std::exp(logs[k] - top);
        const bool mine = static_cast<int64_t>(k % 2) == classes[static_cast<size_t>(i)];
        sum[0] += density, sum[1] += mine ? density : 0;
        for (size_t d = 0; d < 2; ++d) {
          const double g = density * (p.alpha * data().means[k][d] - x_t.sample(i)[d]) / variance;
          slope[0][d] += g, slope[1][d] += mine ? g : 0;
        }
      }
      for (size_t d = 0; d < 2; ++d) out.sample(i)[d] = slope[1][d] / sum[1] - slope[0][d] / sum[0];
    }
    return out;
  };
}

LevelFunction levels(const NoisePath& path) {
  return [path](double t) {
    const PathPoint p = path.at(t);
    return Level{p.alpha, p.sigma};
  };
}

TEST(ClassifierGuidance, TheExactClassifierGivesTheConditionalDenoiser) {
  const Schedule schedule;
  for (const NoisePath& path : {discrete_path(schedule), edm_path(), flow_path()}) {
    const std::vector<int64_t> classes{0, 1, 0, 1};
    const Denoiser<A> guided = classifier_guided_denoiser<A>(mixture_denoiser<double>(path, data()),
                                                             exact_gradient(path), levels(path), classes, 1);
    for (const double part : {0.02, 0.2, 0.6, 0.95}) {
      const double t = std::floor(1e4 * part * path.t_max) / 1e4;
      const PathPoint p = path.at(t);
      const A x = lincomb(std::hypot(p.alpha, p.sigma), noise_like(A({4, 2}), NoiseKey{3}));
      const Prediction<A> got = guided(x, t, {});
      for (int64_t i = 0; i < 4; ++i) {
        const Prediction<A> want =
            mixture_denoiser<double>(path, of_class(classes[static_cast<size_t>(i)]))(rows(x, i, 1), t, {});
        for (size_t d = 0; d < 2; ++d) {
          // Where a class is all but excluded its gradient is the difference of large numbers.
          const double size = std::max(1.0, std::abs(want.x0[static_cast<int64_t>(d)]));
          EXPECT_NEAR(got.x0.sample(i)[d], want.x0[static_cast<int64_t>(d)], 1e-7 * size) << path.name << t;
          EXPECT_NEAR(got.eps.sample(i)[d], want.eps[static_cast<int64_t>(d)], 1e-7 * size) << path.name << t;
        }
      }
    }
  }
}

TEST(ClassifierGuidance, SamplesAreOfTheClassAskedFor) {
  const NoisePath path = edm_path(0.002, 20);
  const int64_t n = 300;
  std::vector<int64_t> classes;
  for (int64_t i = 0; i < n; ++i) classes.push_back(i % 2);
  const Denoiser<A> guided = classifier_guided_denoiser<A>(mixture_denoiser<double>(path, data()),
                                                           exact_gradient(path), levels(path), classes, 1);
  SamplerConfig config = usual_sampler(path);
  config.steps = 40;
  const A x = run_sampler(config, guided, path, initial_noise(A({n, 2}), 4, 0));
  for (int64_t i = 0; i < n; ++i) {
    const double angle = std::atan2(x.sample(i)[1], x.sample(i)[0]) / (std::numbers::pi / 4);
    const auto nearest = (static_cast<int64_t>(std::lround(angle)) + 8) % 8;
    EXPECT_EQ(nearest % 2, i % 2) << i;
    EXPECT_NEAR(std::hypot(x.sample(i)[0], x.sample(i)[1]), 1, 0.4);
  }
}

TEST(ClassifierGuidance, KeepsTheContract) {
  const NoisePath path = flow_path();
  const Denoiser<A> plain = mixture_denoiser<double>(path, data());
  const A x({2, 2}, {0.3, -0.2, 0.1, 0.9});
  const std::vector<int64_t> classes{0, 1};
  const Prediction<A> p =
      classifier_guided_denoiser<A>(plain, exact_gradient(path), levels(path), classes, 2.5)(x, 0.4, {});
  for (int64_t j = 0; j < 4; ++j) EXPECT_NEAR(0.6 * p.x0[j] + 0.4 * p.eps[j], x[j], 1e-12);
  // Scale 0 asks no classifier; pure noise moves eps alone.
  const auto never = [](const A&, double, const std::vector<int64_t>&) -> A { throw Error("asked"); };
  EXPECT_NO_THROW(classifier_guided_denoiser<A>(plain, never, levels(path), classes, 0)(x, 0.4, {}));
  const Prediction<A> top =
      classifier_guided_denoiser<A>(plain, exact_gradient(path), levels(path), classes, 3)(x, 1, {});
  EXPECT_EQ(top.x0[0], plain(x, 1, {}).x0[0]);

  const auto wrong = [](const A&, double, const std::vector<int64_t>&) { return A({2, 3}); };
  EXPECT_THROW(classifier_guided_denoiser<A>(plain, wrong, levels(path), classes, 1)(x, 0.4, {}), Error);
  EXPECT_THROW(classifier_guided_denoiser<A>(plain, exact_gradient(path), levels(path), {0}, 1)(x, 0.4, {}),
               Error);
  EXPECT_THROW(
      classifier_guided_denoiser<A>(plain, exact_gradient(path), levels(path), classes, std::nan("")), Error);
}

}  // namespace
}  // namespace langevin
