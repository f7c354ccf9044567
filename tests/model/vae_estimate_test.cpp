// ELBO <= IWAE <= log p(x), on a linear autoencoder whose log p(x) is known: x ~ N(b, W W^T + s^2 I).
#include "langevin/model/vae_estimate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace langevin {
namespace {

constexpr int64_t kLatent = 2, kValues = 6;
constexpr double kStddev = 0.4;
constexpr double kW[kValues][kLatent] = {{0.8, 0.1},  {-0.3, 0.5}, {0.2, 0.2},
                                         {0.6, -0.4}, {0.0, 0.9},  {-0.5, 0.3}};
constexpr double kB[kValues] = {0.1, 0.0, -0.2, 0.3, 0.0, 0.1};

/// (I + W^T W / s^2): the precision of p(z|x).
struct Precision2 {
  double a, b, c;  // [[a, b], [b, c]]
  double det() const { return a * c - b * b; }
};
Precision2 precision() {
  Precision2 p{1, 0, 1};
  for (const auto& w : kW) {
    p.a += w[0] * w[0] / (kStddev * kStddev);
    p.b += w[0] * w[1] / (kStddev * kStddev);
    p.c += w[1] * w[1] / (kStddev * kStddev);
  }
  return p;
}

/// W^T (x - b) / s^2.
std::array<double, 2> projected(std::span<const float> x) {
  std::array<double, 2> u{};
  for (size_t j = 0; j < kValues; ++j) {
    for (size_t l = 0; l < kLatent; ++l) u[l] += kW[j][l] * (x[j] - kB[j]) / (kStddev * kStddev);
  }
  return u;
}

double log_p(std::span<const float> x) {
  const Precision2 p = precision();
  const auto u = projected(x);
  double square = 0;
  for (size_t j = 0; j < kValues; ++j) square += std::pow(x[j] - kB[j], 2) / (kStddev * kStddev);
  square -= (p.c * u[0] * u[0] - 2 * p.b * u[0] * u[1] + p.a * u[1] * u[1]) / p.det();
  return -0.5 * (square + kValues * std::log(2 * std::numbers::pi * kStddev * kStddev) + std::log(p.det()));
}

/// The mean of p(z|x), with a diagonal covariance, which it has not: q is off by `wide`.
VaeCoder coder(double wide) {
  const Precision2 p = precision();
  return {
      [p, wide](const HostArrayF& x) {
        nn::LatentGaussian<HostArrayF> q{HostArrayF({x.batch(), kLatent}), HostArrayF({x.batch(), kLatent})};
        for (int64_t i = 0; i < x.batch(); ++i) {
          const auto u = projected(x.sample(i));
          q.mean.sample(i)[0] = static_cast<float>((p.c * u[0] - p.b * u[1]) / p.det());
          q.mean.sample(i)[1] = static_cast<float>((p.a * u[1] - p.b * u[0]) / p.det());
          q.logvar.sample(i)[0] = static_cast<float>(std::log(wide * p.c / p.det()));
          q.logvar.sample(i)[1] = static_cast<float>(std::log(wide * p.a / p.det()));
        }
        return q;
      },
      [](const HostArrayF& z) {
        HostArrayF x({z.batch(), 1, 2, 3});
        for (int64_t i = 0; i < z.batch(); ++i) {
          for (size_t j = 0; j < kValues; ++j)
            x.sample(i)[j] =
                static_cast<float>(kB[j] + kW[j][0] * z.sample(i)[0] + kW[j][1] * z.sample(i)[1]);
        }
        return x;
      }};
}

struct Data {
  BoundBatch batch;
  double bits = 0;  // -log p(x), the mean
};
Data draw(int64_t n) {
  Data data;
  data.batch.x0 = HostArrayF({n, 1, 2, 3});
  for (int64_t i = 0; i < n; ++i) {
    RandomStream stream({3, static_cast<uint64_t>(i), Purpose::test, 0});
    const double z0 = stream.normal(), z1 = stream.normal();
    for (size_t j = 0; j < kValues; ++j)
      data.batch.x0.sample(i)[j] =
          static_cast<float>(kB[j] + kW[j][0] * z0 + kW[j][1] * z1 + kStddev * stream.normal());
    data.batch.indices.push_back(i);
    data.bits -= bits_per_dim(log_p(data.batch.x0.sample(i)), kValues) / static_cast<double>(n);
  }
  return data;
}

VaeReport estimate(const Data& data, double wide, int64_t samples) {
  VaeEstimate vae(coder(wide), {.likelihood = Likelihood::gaussian,
                                .log_scale = std::log(kStddev),
                                .of_bins = false,
                                .samples = samples});
  EXPECT_TRUE(vae.add(data.batch));
  return vae.report();
}

TEST(VaeEstimate, TheElboIsBelowIwaeIsBelowLogP) {
  const Data data = draw(400);
  const VaeReport one = estimate(data, 2.0, 1), few = estimate(data, 2.0, 8), many = estimate(data, 2.0, 256);
  const double slack = 0.004;  // of the draws; costs: higher is worse
  EXPECT_GT(many.elbo.bits, data.bits + 0.05);
  EXPECT_NEAR(one.iwae.bits, many.elbo.bits, 0.03);  // with one draw it is the ELBO
  EXPECT_GT(one.iwae.bits, few.iwae.bits);
  EXPECT_GT(few.iwae.bits, many.iwae.bits);
  EXPECT_GT(many.iwae.bits, data.bits - slack);
  EXPECT_NEAR(many.iwae.bits, data.bits, 0.003 + slack);
  EXPECT_NEAR(many.elbo.bits, many.reconstruction.bits + many.kl.bits, 1e-9);
  // A better q has a better ELBO, and the same log p.
  const VaeReport narrow = estimate(data, 1.0, 256);
  EXPECT_LT(narrow.elbo.bits, many.elbo.bits - 0.02);
  EXPECT_NEAR(narrow.iwae.bits, many.iwae.bits, slack);
}

TEST(VaeEstimate, DoesNotDependOnTheBatch) {
  const Data data = draw(10);
  VaeEstimate parts(coder(1.5), {.log_scale = std::log(kStddev), .of_bins = false, .samples = 4});
  for (int64_t first = 0; first < 10; first += 4) {
    const int64_t n = std::min<int64_t>(4, 10 - first);
    BoundBatch part{rows(data.batch.x0, first, n), {}, {}};
    part.indices.assign(data.batch.indices.begin() + first, data.batch.indices.begin() + first + n);
    EXPECT_TRUE(parts.add(part));
  }
  EXPECT_NEAR(parts.report().iwae.bits, estimate(data, 1.5, 4).iwae.bits, 1e-9);
}

TEST(VaeEstimate, NamesCollapsedDimensions) {
  const VaeCoder blind{
      [](const HostArrayF& x) {
        nn::LatentGaussian<HostArrayF> q{HostArrayF({x.batch(), 3, 1, 2}), HostArrayF({x.batch(), 3, 1, 2})};
        for (int64_t i = 0; i < x.batch(); ++i) {
          q.mean.sample(i)[2] = 1.0F;  // channel 1, one of its places
          q.logvar.sample(i)[4] = -2.0F;
          q.logvar.sample(i)[5] = -2.0F;
        }
        return q;
      },
      [](const HostArrayF& z) {
        return HostArrayF({z.batch(), 1, 2, 3});
      }};
  VaeEstimate vae(blind, {.samples = 2});
  EXPECT_TRUE(vae.add(draw(5).batch));
  const VaeReport r = vae.report();
  EXPECT_EQ(r.collapsed(), std::vector<int64_t>{0});
  EXPECT_EQ(r.latent[1].active, 0.5);
  EXPECT_NEAR(r.latent[1].kl, 0.5, 1e-6);
  EXPECT_NEAR(r.latent[2].kl, 2 * 0.5 * (std::exp(-2.0) - 1 + 2), 1e-6);
  EXPECT_EQ(to_json(r)["collapsed"], nlohmann::json({0}));
  EXPECT_THROW(VaeEstimate(blind, {.samples = 0}), Error);
}

TEST(VaeEstimate, DrawsHaveTheMomentsOfQ) {
  nn::LatentGaussian<HostArrayF> q{HostArrayF({2000, 1}), HostArrayF({2000, 1})};
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < 2000; ++i) {
    q.mean[i] = 0.5F;
    q.logvar[i] = static_cast<float>(2 * std::log(0.3));
    indices.push_back(i);
  }
  const HostArrayF z = draw_latents(q, indices, 1, 0);
  double mean = 0, square = 0;
  for (const float v : z.data()) mean += v / 2000, square += static_cast<double>(v) * v / 2000;
  EXPECT_NEAR(mean, 0.5, 0.03);
  EXPECT_NEAR(std::sqrt(square - mean * mean), 0.3, 0.02);
}

}  // namespace
}  // namespace langevin
