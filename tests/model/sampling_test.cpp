// From a request to samples on plain memory, with a network that is a formula.
#include "langevin/model/sampling.h"

#include <gtest/gtest.h>

#include <cmath>

#include "langevin/model/recipe.h"

namespace langevin {
namespace {

using A = HostArrayF;

/// Says eps = (label + 1) (0.2 + 0.3 j) in element j, and counts calls and rows.
struct Patterns {
  int calls = 0;
  int64_t rows = 0;
  NetworkCall<A> call() {
    return [this](const A& x, const std::vector<double>& t, const Cond<A>& cond) {
      ++calls;
      rows += x.batch();
      EXPECT_EQ(t.size(), static_cast<size_t>(x.batch()));
      A out = x;
      for (int64_t i = 0; i < x.batch(); ++i) {
        const auto label = static_cast<float>(cond.class_labels.at(static_cast<size_t>(i)));
        for (size_t j = 0; j < out.sample(i).size(); ++j)
          out.sample(i)[j] = (label + 1) * (0.2f + 0.3f * static_cast<float>(j));
      }
      return out;
    };
  }
};

SamplingConditions conditions(const Schedule& schedule, GuidanceConfig guidance) {
  return {true, 4, guidance, [schedule](double t) { return schedule.level(t); }};
}

// What one call over 2 B rows gives is what guided_denoiser has from two calls, whatever the options.
TEST(SamplingNetwork, GuidesLikeTheDenoiser) {
  const Schedule schedule;
  const A x({2, 3}, {0.3f, -0.2f, 1.1f, 0.7f, 0.1f, -0.9f});
  const Cond<A> cond{{1, 2}, {}};
  for (const PredictionType type : {PredictionType::epsilon, PredictionType::v_prediction}) {
    for (const double scale : {0.0, 1.0, 3.0}) {
      for (const double rescale : {0.0, 0.7}) {
        for (const int64_t away : {4, 0}) {  // the null class, or a negative one
          for (const double hi : {0.5, 1e9}) {
            GuidanceConfig g{scale, away, rescale, 0.1, hi};
            Patterns batched, twice;
            const A got = make_denoiser(sampling_network<A>(batched.call(), conditions(schedule, g)),
                                        schedule, type)(x, 300, cond)
                              .x0;
            const GuidanceLevels levels{[&](double t) { return schedule.level(t); }, type};
            const A want = guided_denoiser(make_denoiser(Network<A>(twice.call()), schedule, type), g,
                                           levels)(x, 300, cond)
                               .x0;
            for (int64_t i = 0; i < x.size(); ++i) EXPECT_NEAR(got[i], want[i], 2e-5);
            EXPECT_EQ(batched.calls, 1);
            EXPECT_EQ(batched.rows, 2 * twice.calls);
          }
        }
      }
    }
  }
}

TEST(SamplingNetwork, WithoutLabelsIsTheNullClass) {
  const Schedule schedule;
  Patterns network;
  const auto call = sampling_network<A>(network.call(), conditions(schedule, {3, 0}));
  EXPECT_FLOAT_EQ(call(A({1, 2}), {5.0}, {})[0], 5 * 0.2f);
}

// Gaussian data N(0.3, 0.5^2) through the whole of sample_request, on plain memory.
class GaussianRequest : public ::testing::Test {
 protected:
  GaussianRequest() { spec_.network = make_network(preset("tiny"), 1, 8, 8, 0); }
  HostArrayF sample(const SampleRequest& request) const {
    const Schedule schedule(spec_.schedule);
    const auto denoiser = gaussian_denoiser<A>(schedule, 0.3, 0.5);
    const SamplingBackend<A> backend{
        [denoiser](const A& x, const std::vector<double>& t, const Cond<A>& cond) {
          return denoiser(x, t.at(0), cond).eps;
        },
        [](const Shape& shape) { return A(shape); }, [](const A& x) { return x; },
        [](const A& x) { return x; }};
    int64_t calls = 0;
    const A x = sample_request<A>(backend, spec_, target_of(spec_), request, [&](const StepInfo<A>& info) {
      EXPECT_EQ(info.step, calls++);
      return true;
    });
    EXPECT_EQ(calls, sample_calls(spec_, request));
    return x;
  }
  SampleRequest request(const std::string& sampler, int64_t steps) const {
    SampleRequest r;
    r.sampler.name = sampler;
    r.sampler.steps = steps;
    r.threshold.kind = "none";
    r.seed = 3;
    r.count = 2;
    return r;
  }
  static A picture() {
    A x = noise_like(A({2, 1, 8, 8}), NoiseKey{8, 0, Purpose::test, 0});
    for (float& v : x.data()) v = 0.3f + 0.5f * v;
    return x;
  }
  static double worst(const A& a, const A& b) {
    double out = 0;
    for (int64_t i = 0; i < a.size(); ++i) out = std::max<double>(out, std::abs(a[i] - b[i]));
    return out;
  }
  ModelSpec spec_;
};

// With enough iterations ddim's steps are undone; with one call a step the error falls as the steps grow.
TEST_F(GaussianRequest, InvertedAndSampledIsTheInput) {
  for (const auto& [sampler, spacing] : {std::pair{"ddim", "trailing"}, {"euler", "karras"}}) {
    const auto error = [&](int64_t steps, int64_t iterations) {
      SampleRequest up = request(sampler, steps);
      up.sampler.spacing = spacing;
      up.from = picture();
      up.invert = InversionOptions{.iterations = iterations};
      SampleRequest down = request(sampler, steps);
      down.sampler.spacing = spacing;
      down.x_T = sample(up);
      return worst(sample(down), picture());
    };
    EXPECT_LT(error(50, 30), 2e-5) << sampler;
    EXPECT_LT(error(1000, 1), 0.12 * error(100, 1)) << sampler;  // of first order
    EXPECT_LT(error(100, 3), error(100, 1)) << sampler;
  }
}

// The noise of an inversion is noise: of Gaussian data the flow maps N(m, s^2) to N(0, 1).
TEST_F(GaussianRequest, InvertedDataIsStandardNormal) {
  SampleRequest up = request("ddim", 500);
  up.from = picture();
  up.invert = InversionOptions{.iterations = 2};
  const A x_T = sample(up), x0 = picture();
  for (int64_t i = 0; i < x0.size(); ++i) EXPECT_NEAR(x_T[i], (x0[i] - 0.3f) / 0.5f, 0.05);
}

TEST_F(GaussianRequest, StrengthAndMaskAreIdentitiesAtTheirEnds) {
  for (const char* sampler : {"ddim", "ddpm", "heun", "unipc", "sde_dpmsolver++"}) {
    const SampleRequest plain = request(sampler, 10);
    SampleRequest from = plain;
    from.from = picture();
    EXPECT_EQ(worst(sample(from), sample(plain)), 0) << sampler;  // strength 1
    from.sampler.strength = 0;
    EXPECT_EQ(worst(sample(from), picture()), 0) << sampler;
  }
  SampleRequest all = request("ddim", 10);
  all.inpaint = Inpainting{picture(), A({2, 1, 8, 8}, 1.0f), {1, 1}};
  EXPECT_LT(worst(sample(all), sample(request("ddim", 10))), 1e-5);  // nothing known: sampling
  all.inpaint->mask = A({2, 1, 8, 8}, 0.0f);
  EXPECT_EQ(worst(sample(all), picture()), 0);  // all known
}

TEST_F(GaussianRequest, RefusesWhatCannotBeMeant) {
  const auto refused = [&](auto change) {
    SampleRequest r = request("ddim", 10);
    change(r);
    EXPECT_THROW(sample(r), Error);
  };
  refused([](auto& r) { r.sampler.strength = 0.5; });  // of nothing
  refused([](auto& r) { r.from = A({1, 1, 8, 8}); });
  refused([](auto& r) { r.inpaint = Inpainting{picture(), A({2, 3, 8, 8}), {}}; });
  refused([](auto& r) { r.inpaint = Inpainting{picture(), picture(), {0, 1}}; });
  refused([](auto& r) { r.invert = InversionOptions{}; });
  refused([](auto& r) {
    r.from = picture();
    r.invert = InversionOptions{};
    r.sampler.eta = 0.5;
  });
  refused([](auto& r) {
    r.inpaint = Inpainting{picture(), picture(), {}};
    r.sampler.name = "unipc";
  });
}

}  // namespace
}  // namespace langevin
