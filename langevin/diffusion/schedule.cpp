#include "langevin/diffusion/schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "langevin/core/check.h"
#include "langevin/core/config.h"

namespace langevin {
namespace {

constexpr int64_t kMaxTimesteps = 1'000'000;

/// n values from lo to hi, both included; n = 1 gives lo.
std::vector<double> linspace(double lo, double hi, int64_t n) {
  std::vector<double> out(static_cast<size_t>(n), lo);
  for (int64_t i = 1; i < n; ++i) {
    out[static_cast<size_t>(i)] = lo + (hi - lo) * static_cast<double>(i) / static_cast<double>(n - 1);
  }
  return out;
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// Nichol & Dhariwal 2021 (2102.09672), eq. 17: alphas_cumprod = f(t) / f(0), betas clipped at 0.999.
std::vector<double> cosine_betas(int64_t T) {
  const auto f = [T](int64_t t) {
    const double u = static_cast<double>(t) / static_cast<double>(T);
    const double c = std::cos((u + 0.008) / 1.008 * std::numbers::pi / 2);
    return c * c;
  };
  std::vector<double> betas(static_cast<size_t>(T));
  for (int64_t t = 0; t < T; ++t) betas[static_cast<size_t>(t)] = std::min(1 - f(t + 1) / f(t), 0.999);
  return betas;
}

void check_range(const ScheduleConfig& config) {
  for (double beta : {config.beta_start, config.beta_end}) {
    check(beta > 0 && beta <= 1, "Schedule", "beta_start and beta_end must be in (0, 1], got {} and {}",
          config.beta_start, config.beta_end);
  }
}

std::vector<double> make_betas(const ScheduleConfig& config) {
  const auto& [kind, T, start, end, zero_snr, betas] = config;
  check(T >= 1 && T <= kMaxTimesteps, "Schedule", "timesteps must be 1 to {}, got {}", kMaxTimesteps, T);
  if (kind == "explicit") {
    check(static_cast<int64_t>(betas.size()) == T, "Schedule",
          "explicit betas must be as many as timesteps = {}, got {}; set one to fit the other", T,
          betas.size());
    return betas;
  }
  check(betas.empty(), "Schedule", "betas are given but kind is '{}'; set kind = \"explicit\"", kind);
  if (kind == "cosine" || kind == "squaredcos_cap_v2") return cosine_betas(T);
  if (kind == "linear") {
    check_range(config);
    return linspace(start, end, T);
  }
  if (kind == "scaled_linear") {
    check_range(config);
    auto out = linspace(std::sqrt(start), std::sqrt(end), T);
    for (double& beta : out) beta *= beta;
    return out;
  }
  if (kind == "sigmoid") {
    check_range(config);
    auto out = linspace(-6, 6, T);
    for (double& beta : out) beta = sigmoid(beta) * (end - start) + start;
    return out;
  }
  throw Error("Schedule: " + unknown_name("schedule kind", kind, schedule_kinds()));
}

void check_betas(std::span<const double> betas) {
  for (size_t t = 0; t < betas.size(); ++t) {
    const bool last = t + 1 == betas.size();
    check(betas[t] > 0 && (betas[t] < 1 || (last && betas[t] == 1)), "Schedule",
          "beta[{}] must be in (0, 1) (1 only as the last, for zero terminal SNR), got {}", t, betas[t]);
  }
}

std::vector<double> cumulative_product(std::span<const double> alphas) {
  std::vector<double> out;
  out.reserve(alphas.size());
  double product = 1;
  for (size_t t = 0; t < alphas.size(); ++t) {
    const double before = product;
    product *= alphas[t];
    const bool zero_end = product == 0 && alphas[t] == 0;
    check(product < before && (product > 0 || zero_end), "Schedule",
          "alphas_cumprod must fall at every step and stay above 0 before the last, at t = {} it goes from "
          "{} to {}; "
          "make beta {}",
          t, before, product, product < before ? "smaller" : "larger");
    out.push_back(product);
  }
  return out;
}

std::vector<double> one_minus(std::span<const double> values) {
  std::vector<double> out;
  out.reserve(values.size());
  for (double value : values) out.push_back(1 - value);
  return out;
}

}  // namespace

std::vector<std::string> schedule_kinds() {
  return {"linear", "scaled_linear", "cosine", "squaredcos_cap_v2", "sigmoid", "explicit"};
}

void add_fields(Schema& schema, ScheduleConfig& config, const std::string& prefix) {
  schema.field(prefix + "kind", config.kind, "shape of the noise schedule", schedule_kinds());
  schema.field(prefix + "timesteps", config.timesteps, "T, number of noise levels",
               {1, static_cast<double>(kMaxTimesteps)});
  schema.field(prefix + "beta_start", config.beta_start, "first beta, above 0 (linear, scaled_linear, sigmoid)",
               {0, 1});
  schema.field(prefix + "beta_end", config.beta_end, "last beta, below 1 (linear, scaled_linear, sigmoid)", {0, 1});
  schema.field(prefix + "zero_terminal_snr", config.zero_terminal_snr,
               "rescale so that the last step is pure noise (arXiv:2305.08891)");
  schema.field(prefix + "betas", config.betas, "the betas themselves (explicit)", {0, 1});
}

void to_json(nlohmann::json& json, const ScheduleConfig& config) {
  ScheduleConfig copy = config;
  Schema schema;
  add_fields(schema, copy, "");
  json = schema.to_json();
}

void from_json(const nlohmann::json& json, ScheduleConfig& config) {
  Schema schema;
  add_fields(schema, config, "");
  schema.from_json(json, "schedule");
}

std::vector<double> rescale_zero_terminal_snr(std::span<const double> betas) {
  check(betas.size() >= 2, "rescale_zero_terminal_snr", "needs at least 2 steps, got {}", betas.size());
  check_betas(betas);
  std::vector<double> root = cumulative_product(one_minus(betas));  // sqrt(alphas_cumprod)
  for (double& value : root) value = std::sqrt(value);
  const double first = root.front(), last = root.back();
  for (double& value : root) value = (value - last) * (first / (first - last));
  std::vector<double> out(betas.size());
  out[0] = 1 - root[0] * root[0];
  for (size_t t = 1; t < out.size(); ++t) {
    const double ratio = root[t] / root[t - 1];
    out[t] = 1 - ratio * ratio;
  }
  return out;
}

Schedule::Schedule(ScheduleConfig config) : config_(std::move(config)), betas_(make_betas(config_)) {
  check_betas(betas_);
  if (config_.zero_terminal_snr) betas_ = rescale_zero_terminal_snr(betas_);
  alphas_ = one_minus(betas_);
  alphas_cumprod_ = cumulative_product(alphas_);
  make_posterior();
}

void Schedule::make_posterior() {
  for (int64_t t = 0; t < T(); ++t) {
    const double alpha_bar_prev = alpha_bar(t - 1);
    const double step_alpha = alphas_[static_cast<size_t>(t)];
    const double beta = 1 - step_alpha;  // rounded as alphas_cumprod is, so that t = 0 gives exactly x_0
    const double sigma2 = 1 - alpha_bar(t);
    posterior_variance_.push_back((1 - alpha_bar_prev) / sigma2 * beta);
    posterior_mean_coef1_.push_back(std::sqrt(alpha_bar_prev) * beta / sigma2);
    posterior_mean_coef2_.push_back(std::sqrt(step_alpha) * (1 - alpha_bar_prev) / sigma2);
  }
  posterior_log_variance_clipped_ = posterior_variance_;
  posterior_log_variance_clipped_[0] = T() > 1 ? posterior_variance_[1] : betas_[0];
  for (double& value : posterior_log_variance_clipped_) value = std::log(value);
}

double Schedule::alpha_bar(int64_t t) const {
  check(t >= -1 && t < T(), "Schedule", "t must be in [-1, {}], got {}", T() - 1, t);
  return t < 0 ? 1.0 : alphas_cumprod_[static_cast<size_t>(t)];
}

double Schedule::alpha(int64_t t) const { return std::sqrt(alpha_bar(t)); }

double Schedule::sigma(int64_t t) const { return std::sqrt(1 - alpha_bar(t)); }

double Schedule::snr(int64_t t) const {
  const double bar = alpha_bar(t);
  return bar < 1 ? bar / (1 - bar) : std::numeric_limits<double>::infinity();
}

double Schedule::log_snr(int64_t t) const {
  const double bar = alpha_bar(t);
  return std::log(bar) - std::log1p(-bar);
}

double Schedule::alpha_bar_between(double t) const {
  check(t >= -1 && t <= static_cast<double>(T() - 1), "Schedule", "t must be in [-1, {}], got {}", T() - 1,
        t);
  const double below = std::floor(t), part = t - below;
  const double left = alpha_bar(static_cast<int64_t>(below));
  if (part == 0) return left;
  const double right = alpha_bar(static_cast<int64_t>(below) + 1);
  if (right > 0) return std::exp((1 - part) * std::log(left) + part * std::log(right));
  const double alpha = (1 - part) * std::sqrt(left);
  return alpha * alpha;
}

Level Schedule::level(double t) const {
  const double bar = alpha_bar_between(t);
  return {std::sqrt(bar), std::sqrt(1 - bar)};
}

Level Schedule::level(std::span<const double> t) const {
  std::vector<double> alpha, sigma;
  alpha.reserve(t.size());
  sigma.reserve(t.size());
  for (double time : t) {
    const double bar = alpha_bar_between(time);
    alpha.push_back(std::sqrt(bar));
    sigma.push_back(std::sqrt(1 - bar));
  }
  return {Coef(std::move(alpha)), Coef(std::move(sigma))};
}

Level Schedule::level(std::span<const int64_t> t) const {
  const std::vector<double> times(t.begin(), t.end());
  return level(std::span<const double>(times));
}

}  // namespace langevin
