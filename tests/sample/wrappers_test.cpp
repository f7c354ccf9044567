// Guidance, thresholding, the observer, and dispatch by name.
#include <gtest/gtest.h>

#include <cmath>

#include "langevin/core/config.h"
#include "langevin/sample/guidance.h"
#include "langevin/sample/sampler.h"
#include "langevin/sample/threshold.h"

namespace langevin {
namespace {

using A = HostArrayD;

/// Says x0 = class + 1 everywhere (0 without labels) and eps = 10 x0, and counts its calls.
Denoiser<A> labelled(int* calls) {
  return [calls](const A& x_t, double, const Cond<A>& cond) {
    ++*calls;
    A x0 = lincomb(0.0, x_t);
    for (int64_t i = 0; i < x0.batch() && !cond.class_labels.empty(); ++i) {
      for (double& value : x0.sample(i))
        value = static_cast<double>(cond.class_labels[static_cast<size_t>(i)]) + 1;
    }
    return Prediction<A>{x0, lincomb(10.0, x0)};
  };
}

TEST(Guidance, IsLinearFromNullToClass) {
  const A x({2, 3});
  const Cond<A> cond{{1, 4}};
  for (const int64_t null_label : {-1, 9}) {
    const double null = null_label < 0 ? 0 : 10;
    for (const double scale : {0.0, 0.5, 1.0, 3.0}) {
      int calls = 0;
      const auto p = guided_denoiser(labelled(&calls), {scale, null_label})(x, 5, cond);
      EXPECT_EQ(calls, scale == 0 || scale == 1 ? 1 : 2);
      EXPECT_DOUBLE_EQ(p.x0.sample(0)[0], null + scale * (2 - null));
      EXPECT_DOUBLE_EQ(p.x0.sample(1)[2], null + scale * (5 - null));
      EXPECT_DOUBLE_EQ(p.eps.sample(1)[2], 10 * p.x0.sample(1)[2]);
    }
    int calls = 0;
    EXPECT_EQ(guided_denoiser(labelled(&calls), {3, null_label})(x, 5, {}).x0[0], null);
    EXPECT_EQ(calls, 1);
  }
  int calls = 0;
  EXPECT_THROW(guided_denoiser(labelled(&calls), {std::nan(""), -1}), Error);
  EXPECT_THROW(guided_denoiser(labelled(&calls), {2, -1})(x, 5, {{1}}), Error);
}

// eps, x0 and v are linear in each other at a given x_t, so guiding one guides all.
TEST(Guidance, KeepsX0AndEpsConsistent) {
  const Schedule schedule;
  const Network<A> network = [](const A& x, const std::vector<double>&, const Cond<A>& cond) {
    return lincomb(cond.class_labels.empty() ? 0.5 : -0.2, x);
  };
  const A x({1, 2}, 0.7);
  for (const std::string& type : prediction_types()) {
    const auto p =
        guided_denoiser(make_denoiser(network, schedule, prediction_type(type)), {4, -1})(x, 300, {{0}});
    EXPECT_NEAR(schedule.alpha(300) * p.x0[0] + schedule.sigma(300) * p.eps[0], 0.7, 1e-12) << type;
  }
}

Denoiser<A> fixed(A x0) {
  return [x0](const A& x_t, double, const Cond<A>&) { return Prediction<A>{x0, x_t}; };
}

TEST(Threshold, ClipKeepsEpsUnlessAskedToRederiveIt) {
  const Schedule schedule;
  const A x_t({1, 3}, 0.4), x0({1, 3}, std::vector<double>{-2, 0.5, 3});
  ThresholdConfig config;
  const auto kept = threshold_denoiser(fixed(x0), schedule, config)(x_t, 500, {});
  EXPECT_EQ(std::vector<double>(kept.x0.data().begin(), kept.x0.data().end()),
            (std::vector<double>{-1, 0.5, 1}));
  EXPECT_EQ(kept.eps[0], 0.4);
  config.rederive_eps = true;
  const auto again = threshold_denoiser(fixed(x0), schedule, config)(x_t, 500, {});
  EXPECT_NEAR(schedule.alpha(500) * again.x0[0] + schedule.sigma(500) * again.eps[0], 0.4, 1e-12);
  config.range = 2.5;
  EXPECT_EQ(threshold_denoiser(fixed(x0), schedule, config)(x_t, 500, {}).x0[2], 2.5);
  config.kind = "none";
  EXPECT_EQ(threshold_denoiser(fixed(x0), schedule, config)(x_t, 500, {}).x0[2], 3);
}

TEST(Threshold, DynamicIsPerSampleAndNeverEnlarges) {
  // |x0| of sample 0: 0, 1, 2, 3, 4, whose 0.75 quantile is 3; sample 1 lies within the range.
  const A x0({2, 5}, std::vector<double>{0, -1, 2, -3, 4, 0.1, 0.2, 0.3, 0.4, 0.5});
  ThresholdConfig config;
  config.kind = "dynamic";
  config.quantile = 0.75;
  const A out = dynamic_threshold(x0, config);
  for (const auto& [j, value] : {std::pair{1, -1.0 / 3}, {2, 2.0 / 3}, {3, -1.0}, {4, 1.0}, {9, 0.5}}) {
    EXPECT_NEAR(out[j], value, 1e-15) << j;
  }
  config.max = 2;
  EXPECT_NEAR(dynamic_threshold(x0, config)[1], -0.5, 1e-15);
  config.max = 1;  // diffusers' default: no more than clipping
  EXPECT_EQ(dynamic_threshold(x0, config)[2], 1);
  const A broken({1, 2}, std::vector<double>{std::nan(""), 0.5});
  EXPECT_TRUE(std::isnan(dynamic_threshold(broken, config)[0]));  // a diverged sample stays visible
}

TEST(Threshold, RefusesBadValues) {
  const auto bad = [](auto change) {
    ThresholdConfig config;
    change(config);
    EXPECT_THROW(check_threshold(config), Error);
  };
  bad([](auto& c) { c.kind = "clamp"; });
  bad([](auto& c) { c.range = 0; });
  bad([](auto& c) { c.quantile = 1.1; });
  bad([](auto& c) { c.max = 0.5; });
}

TEST(Observer, SeesEveryStepAndMayStop) {
  const Schedule schedule;
  const auto denoiser = gaussian_denoiser<A>(schedule, 0.0, 1.0);
  const A x_T = initial_noise(A({2, 3}), 1, 0);
  for (const char* name : {"ddpm", "ddim"}) {
    SamplerConfig config;
    config.name = name;
    config.steps = 10;
    std::vector<int64_t> seen;
    SampleContext<A> context;
    context.observer = [&](const StepInfo<A>& info) {
      EXPECT_EQ(info.steps, 10);
      EXPECT_EQ(info.step, static_cast<int64_t>(seen.size()));
      if (seen.empty()) {
        EXPECT_EQ(info.x_t[0], x_T[0]);
      }
      EXPECT_EQ(info.x0[0], denoiser(info.x_t, info.t, {}).x0[0]);
      seen.push_back(static_cast<int64_t>(info.t));
      return true;
    };
    const A whole = run_sampler(config, denoiser, schedule, x_T, context);
    EXPECT_EQ(seen, timestep_grid(1000, 10, Spacing::trailing));

    double last_x0 = 0;
    context.observer = [&](const StepInfo<A>& info) {
      last_x0 = info.x0[0];
      return info.step < 4;
    };
    EXPECT_EQ(run_sampler(config, denoiser, schedule, x_T, context)[0], last_x0);
    EXPECT_NE(whole[0], last_x0);
  }
}

TEST(Sampler, FixedLargeAddsNoNoiseInTheLastStep) {
  const Schedule schedule;
  SamplerConfig config;
  config.name = "ddpm";
  config.steps = 1;
  config.variance = "fixed_large";
  const A x0({1, 3}, std::vector<double>{-2, 0.5, 3});
  EXPECT_EQ(run_sampler(config, fixed(x0), schedule, A({1, 3}, 0.4))[1], 0.5);
}

TEST(Sampler, RefusesBadConfigs) {
  const auto error = [](auto change) -> std::string {
    SamplerConfig config;
    change(config);
    try {
      check_sampler(config, 1000);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(error([](auto&) {}), "");
  EXPECT_NE(error([](auto& c) { c.name = "ddmi"; }).find("ddim"), std::string::npos);
  EXPECT_NE(error([](auto& c) { c.spacing = "linspac"; }).find("linspace"), std::string::npos);
  EXPECT_NE(error([](auto& c) { c.variance = "fixed_smal"; }).find("fixed_small"), std::string::npos);
  EXPECT_NE(error([](auto& c) { c.steps = 1001; }).find("steps"), std::string::npos);
  EXPECT_NE(error([](auto& c) { c.eta = 1.5; }).find("eta"), std::string::npos);
  EXPECT_NE(error([](auto& c) { c.eta = std::nan(""); }).find("eta"), std::string::npos);
}

TEST(Sampler, ConfigsAreRegistered) {
  SamplerConfig config;
  Schema schema;
  add_fields(schema, config);
  schema.set("sampler.name=ddpm");
  schema.set("sampler.eta=0.5");
  EXPECT_EQ(config.name, "ddpm");
  EXPECT_EQ(config.eta, 0.5);
  EXPECT_THROW(schema.set("sampler.eta=2"), Error);
}

}  // namespace
}  // namespace langevin
