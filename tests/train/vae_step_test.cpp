// The variational autoencoder's loss: gradients against differences, divergence against its definition.
#include "langevin/train/vae_step.h"

#include <gtest/gtest.h>

#include <cmath>

#include "langevin/torch/network_call.h"

namespace langevin {
namespace {

nn::LatentGaussian<at::Tensor> some_q(int64_t n, int64_t d) {
  const at::Tensor ramp = at::arange(n * d, at::kDouble).view({n, d});
  return {(0.7 * ramp).sin(), (0.3 * ramp).cos() - 0.5};
}

// d/d mean E f(z) and d/d logvar through z, with the noise held.
TEST(Vae, TheReparameterisationHasItsGradient) {
  auto q = some_q(3, 4);
  const at::Tensor mean = q.mean.clone().set_requires_grad(true),
                   logvar = q.logvar.clone().set_requires_grad(true);
  const at::Tensor eps = (1.3 * at::arange(12, at::kDouble)).cos().view({3, 4});
  const auto value = [&](const at::Tensor& m, const at::Tensor& lv) {
    return reparameterised({m, lv}, eps).pow(3).sum();
  };
  value(mean, logvar).backward();
  for (const int64_t j : {0, 5, 11}) {
    for (const bool of_mean : {true, false}) {
      const double h = 1e-6;
      at::Tensor up = (of_mean ? q.mean : q.logvar).clone(), down = up.clone();
      up.view(-1)[j] += h;
      down.view(-1)[j] -= h;
      const double difference = of_mean ? (value(up, q.logvar) - value(down, q.logvar)).item<double>()
                                        : (value(q.mean, up) - value(q.mean, down)).item<double>();
      const double gradient = (of_mean ? mean : logvar).grad().view(-1)[j].item<double>();
      EXPECT_NEAR(gradient, difference / (2 * h), 1e-6 * (1 + std::abs(gradient))) << j << of_mean;
    }
  }
}

TEST(Vae, KlIsItsClosedFormAndItsDefinition) {
  const auto q = some_q(2, 3);
  const std::vector<double> kl = to_doubles(kl_nats(q));
  for (int64_t i = 0; i < 2; ++i) {
    double closed = 0, drawn = 0;
    constexpr int64_t draws = 20000;
    for (int64_t j = 0; j < 3; ++j) {
      const double m = q.mean[i][j].item<double>(), lv = q.logvar[i][j].item<double>();
      closed += kl_to_prior(m, lv);
      RandomStream stream({1, static_cast<uint64_t>(3 * i + j), Purpose::test, 0});
      for (int64_t k = 0; k < draws; ++k) {
        const double e = stream.normal(), z = m + std::exp(0.5 * lv) * e;
        drawn += (0.5 * (z * z - e * e - lv)) / draws;  // log q - log p
      }
    }
    EXPECT_NEAR(kl[static_cast<size_t>(i)], closed, 1e-9);
    EXPECT_NEAR(kl[static_cast<size_t>(i)], drawn, 0.03);
  }
  const nn::LatentGaussian<at::Tensor> prior{at::zeros({1, 5}), at::zeros({1, 5})};
  EXPECT_NEAR(to_doubles(kl_nats(prior))[0], 0, 1e-9);
}

TEST(Vae, ReconstructionIsThatOfPlainMemory) {
  const at::Tensor ramp = at::arange(24, at::kFloat).view({2, 1, 3, 4});
  const at::Tensor x = ((ramp * 53).remainder(256) / 127.5 - 1).clone();
  x.view(-1)[0] = -1;
  x.view(-1)[1] = 1;
  const at::Tensor mean = x + 0.1 * ramp.sin();
  for (const Likelihood likelihood : {Likelihood::gaussian, Likelihood::laplace, Likelihood::logistic}) {
    for (const double log_scale : {-4.0, -1.0}) {
      const auto scale = at::full({}, log_scale, at::kDouble);
      const auto nats =
          to_doubles(reconstruction_nats(likelihood, x.to(at::kDouble), mean.to(at::kDouble), scale));
      for (size_t i = 0; i < 2; ++i) {
        const std::span<const float> a(x.data_ptr<float>() + 12 * i, 12),
            b(mean.data_ptr<float>() + 12 * i, 12);
        const bool bins = likelihood == Likelihood::logistic;
        const double truth =
            -log_likelihood(likelihood, a, b, log_scale, bins) - (bins ? 0 : 12 * std::log(Bins{}.step()));
        EXPECT_NEAR(nats[i], truth, 1e-4 * std::abs(truth)) << to_string(likelihood) << log_scale;
      }
    }
  }
}

TEST(Vae, TheScaleLearnsItsOptimum) {
  const at::Tensor x = at::zeros({4, 1, 4, 4}), mean = 0.2 * at::ones({4, 1, 4, 4});
  LearnedScale scale;
  for (int i = 0; i < 600; ++i) {
    const at::Tensor s = at::full({}, scale.log_scale, at::kDouble).set_requires_grad(true);
    (reconstruction_nats(Likelihood::gaussian, x, mean, s).mean() / 16).backward();
    scale.gradient = s.grad().item<double>();
    scale.step(0.02);
  }
  EXPECT_NEAR(scale.log_scale, std::log(0.2), 0.03);  // of a Gaussian: the root mean square error
}

TEST(Vae, TheKlWarmsUp) {
  VaeObjective o;
  o.beta = 4;
  EXPECT_EQ(kl_weight(o, 0), 4);
  o.warmup = 10;
  EXPECT_NEAR(kl_weight(o, 0), 0.4, 1e-12);
  EXPECT_NEAR(kl_weight(o, 4), 2, 1e-12);
  EXPECT_EQ(kl_weight(o, 100), 4);
}

// The critic comes to tell two kinds of pictures apart, and the way it points leads from one to the other.
TEST(PatchCritic, LearnsAndPointsToTheReal) {
  PatchCritic critic(1, {16, 32}, 2e-3, at::kCPU, 1);
  const at::Tensor real = at::full({4, 1, 16, 16}, 0.5F), made = at::full({4, 1, 16, 16}, -0.5F);
  for (int i = 0; i < 30; ++i) {
    critic.learn(real, made);
    critic.step(1);
  }
  EXPECT_LT(critic.last_loss(), 0.5);
  const at::NoGradGuard no_grad;
  EXPECT_GT(critic.logits(real).mean().item<double>(), critic.logits(made).mean().item<double>() + 1);
  at::Tensor direction;
  {
    const at::AutoGradMode with(true);
    direction = critic.direction(made);
  }
  const double before = critic.logits(made).mean().item<double>();
  EXPECT_GT(critic.logits(made - 0.5 * direction / direction.norm()).mean().item<double>(), before);
  EXPECT_EQ(critic.updates(), 30);
}

}  // namespace
}  // namespace langevin
