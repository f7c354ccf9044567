// Losses of the variational bound on tensors, against the same on plain memory.
#include "langevin/train/bound_step.h"

#include <gtest/gtest.h>

#include <cmath>

#include "langevin/diffusion/bound.h"
#include "langevin/torch/network_call.h"

namespace langevin {
namespace {

Schedule schedule_of(int64_t T) {
  ScheduleConfig config;
  config.kind = "cosine";
  config.timesteps = T;
  return Schedule(config);
}

struct Sample {
  at::Tensor x0, model, variance;
};

/// Data on the grid, ends included, and a model that is off by a little.
Sample make_sample(int64_t n) {
  const at::Tensor ramp = at::arange(n * 2 * 3 * 4, at::kDouble);
  Sample s;
  s.x0 = ((ramp * 37).remainder(256) / 127.5 - 1).view({n, 2, 3, 4}).to(at::kFloat);
  s.x0.view(-1).narrow(0, 0, 2).copy_(at::tensor({-1.0F, 1.0F}));
  s.model = s.x0 + 0.05 * ramp.sin().view_as(s.x0).to(at::kFloat);
  s.variance = (ramp * 0.7).cos().view_as(s.x0).to(at::kFloat);
  return s;
}

TEST(BoundBits, AreThoseOfPlainMemory) {
  const Schedule schedule = schedule_of(60);
  const std::vector<int64_t> t{0, 1, 17, 59, 0};
  const Sample s = make_sample(5);
  for (const bool learned : {true, false}) {
    const std::vector<double> bits =
        to_doubles(bound_bits(schedule, t, s.x0, s.model, learned ? s.variance : at::Tensor()));
    for (size_t i = 0; i < t.size(); ++i) {
      const auto row = [&](const at::Tensor& x) {
        return std::span<const float>(x.data_ptr<float>() + 24 * i, 24);
      };
      ModelStep model{row(s.model), {}};
      if (learned) model.variance = row(s.variance);
      const double nats = step_term(schedule, t[i], row(s.x0), model);
      EXPECT_NEAR(bits[i], 60 * bits_per_dim(nats, 24), 1e-6 * (1 + bits[i])) << i << learned;
    }
  }
}

// By differences, in double; at the ends of the grid too.
TEST(BoundBits, HaveTheGradientOfDifferences) {
  const Schedule schedule = schedule_of(30);
  const std::vector<int64_t> t{0, 9};
  const Sample s = make_sample(2);
  const at::Tensor model = s.model.to(at::kDouble).requires_grad_();
  const at::Tensor variance = s.variance.to(at::kDouble).requires_grad_();
  bound_bits(schedule, t, s.x0, model, variance).sum().backward();
  const auto value = [&](const at::Tensor& m, const at::Tensor& v) {
    return bound_bits(schedule, t, s.x0, m, v).sum().item<double>();
  };
  for (const int64_t j : {0, 1, 2, 11, 23, 24, 30, 47}) {
    for (const bool of_model : {true, false}) {
      const at::Tensor& of = of_model ? model : variance;
      const at::Tensor up = of.detach().clone(), down = of.detach().clone();
      const double h = 1e-5;
      up.view(-1)[j] += h;
      down.view(-1)[j] -= h;
      const at::Tensor &m = model, &v = variance;
      const double difference = of_model ? value(up, v.detach()) - value(down, v.detach())
                                         : value(m.detach(), up) - value(m.detach(), down);
      const double gradient = of.grad().view(-1)[j].item<double>();
      EXPECT_NEAR(gradient, difference / (2 * h), 1e-4 * (1 + std::abs(gradient))) << j << of_model;
    }
  }
}

TEST(BoundBits, StayFiniteFarFromTheData) {
  const Schedule schedule = schedule_of(1000);
  Sample s = make_sample(2);
  const at::Tensor model = (s.model.to(at::kDouble) + 3).requires_grad_();
  const at::Tensor bits = bound_bits(schedule, {0, 1}, s.x0, model, s.variance);
  bits.sum().backward();
  EXPECT_TRUE(bits.isfinite().all().item<bool>());
  EXPECT_TRUE(model.grad().isfinite().all().item<bool>());
  // And say where to go, but for the highest values, which no mean is too high for.
  EXPECT_GT((model.grad().abs() > 0).to(at::kDouble).mean().item<double>(), 0.9);
}

}  // namespace
}  // namespace langevin
