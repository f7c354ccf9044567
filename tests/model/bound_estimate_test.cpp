// Estimates of the bound on data whose entropy is known, with the network that knows it best, for every
// target.
#include "langevin/model/bound_estimate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "langevin/diffusion/bound.h"
#include "langevin/diffusion/reading.h"

namespace langevin {
namespace {

constexpr double kStddev = 0.3;
constexpr int64_t kSide = 16;

ModelSpec spec_of(const std::string& kind, int64_t T = 100, bool learned = false) {
  ModelSpec spec;
  nn::UNet2DConfig network;
  network.sample_height = network.sample_width = kSide;
  network.in_channels = 1;
  network.out_channels = learned ? 2 : 1;
  spec.network = network;
  spec.target.kind = kind;
  spec.target.sigma_data = kStddev;
  spec.schedule.kind = "cosine";
  spec.schedule.timesteps = T;
  spec.prediction = PredictionType::v_prediction;
  return spec;
}

/// The optimal answer for N(0, s^2) data, whatever the target asks for; a learned variance is the best too.
BoundNetwork optimal(const ModelSpec& spec, int64_t* calls = nullptr) {
  return [spec, calls, target = target_of(spec)](const HostArrayF& x, const std::vector<double>& told,
                                                 const std::vector<int64_t>&) {
    const bool learned = nn::learned_variance(spec.network);
    Shape shape = x.shape();
    if (learned) shape[1] *= 2;
    HostArrayF out(shape);
    for (int64_t i = 0; i < x.batch(); ++i) {
      const double t = told[static_cast<size_t>(i)];
      const double time = spec.target.kind == "edm"    ? std::exp(4 * t)
                          : spec.target.kind == "flow" ? t / spec.target.time_scale
                                                       : t;
      const Reading r = reading(target, time);
      const double s2 = kStddev * kStddev, spread = r.alpha * r.alpha * s2 + r.sigma * r.sigma;
      const auto from = x.sample(i);
      auto to = out.sample(i);
      for (size_t j = 0; j < from.size(); ++j) {
        const double x_t = from[j] / r.scale, x0 = r.alpha * s2 / spread * x_t;
        // x0 = x0_x x_t + x0_y y; where the answer is eps alone its own line.
        to[j] = static_cast<float>(std::abs(r.x0_y) > 1e-12
                                       ? (x0 - r.x0_x * x_t) / r.x0_y
                                       : ((x_t - r.alpha * x0) / r.sigma - r.eps_x * x_t) / r.eps_y);
      }
      if (learned) {
        const auto step = static_cast<int64_t>(t);
        const LogVarianceRange range = log_variance_range(*target.schedule(), step);
        const double coef = target.schedule()->posterior_mean_coef1()[static_cast<size_t>(step)];
        const double variance = target.schedule()->posterior_variance()[static_cast<size_t>(step)] +
                                coef * coef * s2 * r.sigma * r.sigma / spread;
        const double v = 2 * (std::log(variance) - range.lo) / (range.hi - range.lo) - 1;
        for (size_t j = from.size(); j < to.size(); ++j) to[j] = static_cast<float>(v);
      }
    }
    if (calls != nullptr) *calls += x.batch();
    return out;
  };
}

struct Data {
  HostArrayF x0;
  std::vector<int64_t> indices;
  double entropy = 0;  // bits a dimension, exact
};

Data gaussian_data(int64_t n) {
  Data data{HostArrayF({n, 1, kSide, kSide}), {}, 0};
  const Bins bins;
  std::vector<double> below;
  double sum = 0;
  for (int64_t k = 0; k < 256; ++k) {
    const double log_p = log_bin_gaussian(bins.value(k), 0, 2 * std::log(kStddev));
    data.entropy -= std::exp(log_p) * log_p / std::numbers::ln2;
    below.push_back(sum += std::exp(log_p));
  }
  const int64_t all = data.x0.size();
  for (int64_t j = 0; j < all; ++j) {  // evenly through the distribution, and mixed
    const double u = (static_cast<double>((j * 7919) % all) + 0.5) / static_cast<double>(all);
    const auto k = std::upper_bound(below.begin(), below.end(), u * sum) - below.begin();
    data.x0[j] = static_cast<float>(bins.value(k));
  }
  for (int64_t i = 0; i < n; ++i) data.indices.push_back(i);
  return data;
}

BoundReport estimate(const ModelSpec& spec, const Data& data, BoundOptions options, int64_t each = 0) {
  BoundEstimate bound(spec, optimal(spec), std::move(options));
  const int64_t n = data.x0.batch(), step = each > 0 ? each : n;
  for (int64_t first = 0; first < n; first += step) {
    const int64_t count = std::min(step, n - first);
    BoundBatch batch{rows(data.x0, first, count), {}, {}};
    batch.indices.assign(data.indices.begin() + first, data.indices.begin() + first + count);
    EXPECT_TRUE(bound.add(batch));
  }
  return bound.report();
}

TEST(BoundEstimate, OfGaussianDataIsItsEntropyForEveryTarget) {
  const Data data = gaussian_data(96);
  for (const std::string kind : {"ddpm", "edm", "flow"}) {
    const ModelSpec spec = spec_of(kind, 100, kind == "ddpm");
    const BoundReport r = estimate(spec, data, {.draws = 24});
    EXPECT_NEAR(r.total.bits, data.entropy, 0.01 * data.entropy) << kind;
    EXPECT_LT(std::abs(r.total.bits - data.entropy), 5 * r.total.standard_error + 0.004 * data.entropy)
        << kind;
    EXPECT_NEAR(r.total.bits, r.prior.bits + r.diffusion.bits + r.decoder.bits, 1e-9);
    EXPECT_LT(r.prior.bits, 0.01) << kind;
    EXPECT_EQ(r.images, 96);
    EXPECT_EQ(r.dimensions, kSide * kSide);
    // The curve's terms add up to the whole.
    double sum = 0;
    for (const BoundPoint& p : r.curve) {
      if (kind == "ddpm") sum += p.bits * (p.last - p.first + 1);
      if (kind != "ddpm" && p.first < r.end_log_snr + 1e-9) sum += p.bits * (p.first - p.last);
    }
    EXPECT_NEAR(sum, r.diffusion.bits, 0.02 * r.diffusion.bits) << kind;
  }
}

// What is drawn has the mean of all, and less work.
TEST(BoundEstimate, DrawsHaveTheMeanOfAllTimesteps) {
  const Data data = gaussian_data(32);
  const ModelSpec spec = spec_of("ddpm", 200);
  const BoundReport all = estimate(spec, data, {.draws = 0}), drawn = estimate(spec, data, {.draws = 16});
  EXPECT_NEAR(drawn.diffusion.bits, all.diffusion.bits,
              5 * std::hypot(drawn.diffusion.standard_error, all.diffusion.standard_error));
  EXPECT_LT(drawn.calls, all.calls / 2);
  EXPECT_EQ(all.calls, 32 * 200);
  EXPECT_GT(all.curve.size(), 20U);
}

TEST(BoundEstimate, DoesNotDependOnTheBatch) {
  const Data data = gaussian_data(20);
  const ModelSpec spec = spec_of("ddpm", 50);
  // From the second batch on: the first decides where the draws fall.
  const BoundReport a = estimate(spec, data, {.draws = 0, .batch = 7}),
                    b = estimate(spec, data, {.draws = 0}, 3);
  EXPECT_NEAR(a.total.bits, b.total.bits, 1e-9);
  EXPECT_NEAR(a.total.standard_error, b.total.standard_error, 1e-9);
}

TEST(BoundEstimate, AWorseNetworkHasAHigherBound) {
  const Data data = gaussian_data(16);
  const ModelSpec spec = spec_of("ddpm", 50);
  BoundEstimate bound(spec,
                      [](const HostArrayF& x, const std::vector<double>&, const std::vector<int64_t>&) {
                        return HostArrayF(x.shape());
                      },
                      {.draws = 0});
  EXPECT_TRUE(bound.add({data.x0, {}, data.indices}));
  EXPECT_GT(bound.report().total.bits, data.entropy + 0.5);
}

TEST(BoundEstimate, StopsAndRefuses) {
  const Data data = gaussian_data(4);
  const ModelSpec spec = spec_of("ddpm", 50);
  BoundEstimate stopped(spec, optimal(spec), {.stopped = [] { return true; }});
  EXPECT_FALSE(stopped.add({data.x0, {}, data.indices}));
  EXPECT_EQ(stopped.report().images, 0);
  EXPECT_TRUE(to_json(stopped.report())["bits_per_dim"].is_null());
  EXPECT_THROW(BoundEstimate(spec_of("edm"), optimal(spec), {.draws = 0}), Error);
  ModelSpec scaled = spec;
  scaled.normaliser_scale = 1;
  EXPECT_THROW(BoundEstimate(scaled, optimal(spec), {}), Error);
  BoundEstimate bound(spec, optimal(spec), {});
  EXPECT_THROW(bound.add({data.x0, {}, {}}), Error);
}

}  // namespace
}  // namespace langevin
