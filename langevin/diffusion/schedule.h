// Noise schedules (contract 4): how much of the data is left, and how much noise has come in, at each
// timestep.
//
//   x_t = alpha_t x_0 + sigma_t eps
//   alpha_t = sqrt(alphas_cumprod[t]),   sigma_t = sqrt(1 - alphas_cumprod[t])
//
// (Ho et al. 2020, "Denoising Diffusion Probabilistic Models", arXiv:2006.11239, eq. 4.) Timesteps count from
// 0 as in diffusers: index t holds the paper's step t+1, and t = -1 stands for clean data (alpha = 1, sigma =
// 0).
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "langevin/core/array.h"

namespace langevin {

class Schema;  // core/config.h

/// Everything that defines a schedule; what a model file stores. `kind` says what the betas are.
struct ScheduleConfig {
  /// linear         linspace(beta_start, beta_end)                     (2006.11239, section 4)
  /// scaled_linear  linspace(sqrt(beta_start), sqrt(beta_end))^2       (latent diffusion, 2112.10752)
  /// sigmoid        beta_start + (beta_end - beta_start) sigmoid(linspace(-6, 6))   (GeoDiff, 2203.02923)
  /// cosine         1 - f(t+1) / f(t), at most 0.999, where f(t) = cos^2((t/T + 0.008) / 1.008 pi/2) is
  ///                alphas_cumprod up to a factor (2102.09672, eq. 17); diffusers' squaredcos_cap_v2 is the
  ///                same
  /// explicit       the field betas
  std::string kind = "linear";
  int64_t timesteps = 1000;  // T, 1 to 1,000,000
  double beta_start = 1e-4;  // in (0, 1]; linear, scaled_linear and sigmoid only
  double beta_end = 0.02;    // in (0, 1]; the same
  /// Rescale so that the last step is pure noise (Lin et al. 2023, arXiv:2305.08891, algorithm 1).
  bool zero_terminal_snr = false;
  std::vector<double> betas;  // explicit only: exactly `timesteps` values in (0, 1], and 1 only as the last

  bool operator==(const ScheduleConfig&) const = default;
};

/// Names of ScheduleConfig::kind, aliases included.
std::vector<std::string> schedule_kinds();

/// Registers the fields of `config` under "<prefix>kind", "<prefix>timesteps", ...
void add_fields(Schema& schema, ScheduleConfig& config, const std::string& prefix = "schedule.");

/// JSON object with all fields. Reading: absent keys keep their value; Error on an unknown key or a wrong
/// type.
void to_json(nlohmann::json& json, const ScheduleConfig& config);
void from_json(const nlohmann::json& json, ScheduleConfig& config);

/// Signal and noise amplitude of a batch: x_t = alpha x_0 + sigma eps, alpha^2 + sigma^2 = 1. One number for
/// the batch or one per sample.
struct Level {
  Coef alpha = 1.0;
  Coef sigma = 0.0;
};

/// The tables of a schedule, float64, made once; every span has T() values. Immutable.
class Schedule {
 public:
  /// Throws Error on an unknown kind (naming the nearest), T out of range, betas outside (0, 1], or a
  /// schedule whose alphas_cumprod reaches 0 before its last step.
  explicit Schedule(ScheduleConfig config = {});

  const ScheduleConfig& config() const { return config_; }
  int64_t T() const { return static_cast<int64_t>(betas_.size()); }

  std::span<const double> betas() const { return betas_; }    // beta_t = Var q(x_t | x_{t-1})
  std::span<const double> alphas() const { return alphas_; }  // 1 - beta_t
  std::span<const double> alphas_cumprod() const {
    return alphas_cumprod_;
  }  // product of alphas up to and with t

  // The following throw unless -1 <= t < T (t = -1: clean data).
  double alpha_bar(int64_t t) const;  // alphas_cumprod[t]; 1 for t = -1
  double alpha(int64_t t) const;      // sqrt(alphas_cumprod): amplitude of the signal
  double sigma(int64_t t) const;      // sqrt(1 - alphas_cumprod): amplitude of the noise
  double snr(int64_t t) const;        // alpha^2 / sigma^2; infinity for t = -1, 0 at a zero-SNR end
  double log_snr(int64_t t) const;    // natural logarithm of snr

  /// Amplitudes at each sample's t in [-1, T-1]. Between integers log alphas_cumprod is interpolated linearly
  /// (as DPM-Solver does, 2206.00927); beside a zero, alpha itself is.
  Level level(double t) const;
  Level level(std::span<const int64_t> t) const;
  Level level(std::span<const double> t) const;

  // q(x_{t-1} | x_t, x_0) = N(posterior_mean_coef1 x_0 + posterior_mean_coef2 x_t, posterior_variance)
  std::span<const double> posterior_variance() const { return posterior_variance_; }      // eq. 7; 0 at t = 0
  std::span<const double> posterior_mean_coef1() const { return posterior_mean_coef1_; }  // eq. 7, of x_0
  std::span<const double> posterior_mean_coef2() const { return posterior_mean_coef2_; }  // eq. 7, of x_t
  /// log posterior_variance, where t = 0 (variance 0) takes the value of t = 1 (of log beta_0 when T = 1).
  std::span<const double> posterior_log_variance_clipped() const { return posterior_log_variance_clipped_; }

 private:
  double alpha_bar_between(double t) const;
  void make_posterior();
  ScheduleConfig config_;
  std::vector<double> betas_, alphas_, alphas_cumprod_;
  std::vector<double> posterior_variance_, posterior_log_variance_clipped_;
  std::vector<double> posterior_mean_coef1_, posterior_mean_coef2_;
};

/// Lin et al. 2023 (2305.08891), algorithm 1: shift and scale sqrt(alphas_cumprod) so that its last value is
/// 0 and its first is kept; returns the betas of the result (the last is 1). Needs at least 2 steps.
std::vector<double> rescale_zero_terminal_snr(std::span<const double> betas);

}  // namespace langevin
