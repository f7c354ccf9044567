#include "langevin/model/vae_estimate.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace langevin {
namespace {

// NoiseKey::step within Purpose::latent; training has 0.
constexpr uint32_t kEstimate = 1;

/// log N(z; mean, e^logvar) summed, without the constant that both densities share.
double log_gaussian(std::span<const float> z, std::span<const float> mean, std::span<const float> logvar) {
  double sum = 0;
  for (size_t j = 0; j < z.size(); ++j) {
    const double m = mean.empty() ? 0 : mean[j], lv = logvar.empty() ? 0 : logvar[j];
    const double d = static_cast<double>(z[j]) - m;
    sum -= 0.5 * (d * d * std::exp(-lv) + lv);
  }
  return sum;
}

double log_mean_exp(const std::vector<double>& values) {
  const double largest = *std::max_element(values.begin(), values.end());
  double sum = 0;
  for (const double value : values) sum += std::exp(value - largest);
  return largest + std::log(sum / static_cast<double>(values.size()));
}

}  // namespace

HostArrayF draw_latents(const nn::LatentGaussian<HostArrayF>& q, const std::vector<int64_t>& indices,
                        uint64_t seed, uint32_t sample) {
  HostArrayF z = q.mean;
  for (int64_t i = 0; i < z.batch(); ++i) {
    const auto index = static_cast<uint64_t>(indices[static_cast<size_t>(i)]);
    std::vector<float> eps(static_cast<size_t>(z.sample_size()));
    fill_normal(std::span<float>(eps), {seed, index, Purpose::latent, kEstimate + sample});
    const auto logvar = q.logvar.sample(i);
    auto row = z.sample(i);
    for (size_t j = 0; j < row.size(); ++j) row[j] += std::exp(0.5F * logvar[j]) * eps[j];
  }
  return z;
}

VaeEstimate::VaeEstimate(VaeCoder coder, VaeOptions options)
    : coder_(std::move(coder)), options_(std::move(options)) {
  check(options_.samples >= 1 && options_.batch >= 1, "VaeEstimate",
        "needs 1 sample and row or more, got {} and {}", options_.samples, options_.batch);
}

bool VaeEstimate::add(const BoundBatch& batch) {
  const int64_t n = batch.x0.batch();
  check(n > 0 && static_cast<int64_t>(batch.indices.size()) == n, "VaeEstimate",
        "{} pictures have {} numbers", n, batch.indices.size());
  const nn::LatentGaussian<HostArrayF> q = coder_.encode(batch.x0);
  std::vector<std::vector<double>> log_p(static_cast<size_t>(n)), log_w(static_cast<size_t>(n));
  double square_error = 0;
  for (int64_t k = 0; k < options_.samples; ++k) {
    if (options_.stopped && options_.stopped()) return false;
    const HostArrayF z = draw_latents(q, batch.indices, options_.seed, static_cast<uint32_t>(k));
    const HostArrayF mean = coder_.decode(z);
    check(mean.shape() == batch.x0.shape(), "VaeEstimate", "the decoder gave {} for pictures {}",
          to_string(mean.shape()), to_string(batch.x0.shape()));
    for (int64_t i = 0; i < n; ++i) {
      const double likelihood = log_likelihood(options_.likelihood, batch.x0.sample(i), mean.sample(i),
                                               options_.log_scale, options_.of_bins);
      log_p[static_cast<size_t>(i)].push_back(likelihood);
      log_w[static_cast<size_t>(i)].push_back(
          likelihood + log_gaussian(z.sample(i), {}, {}) -
          log_gaussian(z.sample(i), q.mean.sample(i), q.logvar.sample(i)));
      for (size_t j = 0; k == 0 && j < mean.sample(i).size(); ++j)
        square_error += std::pow(std::clamp(mean.sample(i)[j], -1.0F, 1.0F) - batch.x0.sample(i)[j], 2.0);
    }
    if (options_.progress) options_.progress((k + 1) * n);
  }
  latent_ = Shape(q.mean.shape().begin() + 1, q.mean.shape().end());
  kl_sums_.resize(static_cast<size_t>(q.mean.sample_size()));
  dimensions_ = batch.x0.sample_size();
  square_error_ += square_error;
  images_ += n;
  for (int64_t i = 0; i < n; ++i) {
    double kl = 0;
    for (size_t j = 0; j < kl_sums_.size(); ++j) {
      const double one = kl_to_prior(q.mean.sample(i)[j], q.logvar.sample(i)[j]);
      kl_sums_[j] += one;
      kl += one;
    }
    const auto& p = log_p[static_cast<size_t>(i)];
    double mean = 0;
    for (const double value : p) mean += value / static_cast<double>(p.size());
    reconstruction_.add(-mean);
    kl_.add(kl);
    elbo_.add(kl - mean);
    iwae_.add(-log_mean_exp(log_w[static_cast<size_t>(i)]));
  }
  return true;
}

BoundTerm VaeEstimate::term(const Sums& sums) const {
  if (sums.n == 0) return {std::nan(""), std::nan("")};
  const double mean = sums.sum / sums.n;
  const double variance =
      sums.n > 1 ? std::max(0.0, sums.squares / sums.n - mean * mean) / (sums.n - 1) : std::nan("");
  return {bits_per_dim(mean, dimensions_), bits_per_dim(std::sqrt(variance), dimensions_)};
}

VaeReport VaeEstimate::report() const {
  VaeReport r;
  r.images = images_;
  r.dimensions = dimensions_;
  r.samples = options_.samples;
  r.elbo = term(elbo_);
  r.iwae = term(iwae_);
  r.reconstruction = term(reconstruction_);
  r.kl = term(kl_);
  if (images_ == 0) return r;
  const auto n = static_cast<double>(images_);
  r.mse = square_error_ / (n * static_cast<double>(dimensions_));
  const auto channels = static_cast<size_t>(latent_.at(0));
  const size_t places = kl_sums_.size() / channels;
  for (size_t c = 0; c < channels; ++c) {
    LatentDimension d;
    for (size_t p = 0; p < places; ++p) {
      const double kl = kl_sums_[c * places + p] / n;
      d.kl += kl;
      d.active += kl > collapsed_below ? 1.0 / static_cast<double>(places) : 0;
    }
    r.latent.push_back(d);
  }
  return r;
}

std::vector<int64_t> VaeReport::collapsed() const {
  std::vector<int64_t> out;
  for (size_t i = 0; i < latent.size(); ++i) {
    if (latent[i].active == 0) out.push_back(static_cast<int64_t>(i));
  }
  return out;
}

nlohmann::json to_json(const VaeReport& r) {
  const auto term = [](const BoundTerm& t) {
    const auto finite = [](double v) {
      return std::isfinite(v) ? nlohmann::json(v) : nlohmann::json(nullptr);
    };
    return nlohmann::json{{"bits_per_dim", finite(t.bits)}, {"standard_error", finite(t.standard_error)}};
  };
  nlohmann::json json = term(r.elbo);
  json.update({{"images", r.images},
               {"dimensions", r.dimensions},
               {"iwae", term(r.iwae)},
               {"samples", r.samples},
               {"reconstruction", term(r.reconstruction)},
               {"kl", term(r.kl)},
               {"mse", r.mse},
               {"kl_by_dimension", nlohmann::json::array()},
               {"collapsed", r.collapsed()}});
  for (const LatentDimension& d : r.latent)
    json["kl_by_dimension"].push_back({{"nats", d.kl}, {"active", d.active}});
  return json;
}

}  // namespace langevin
