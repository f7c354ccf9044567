// L_simple and how its timesteps are weighed.
//
//   L = 1/B sum_i w(t_i) mean_over_elements (target_i - output_i)^2        (2006.11239, eq. 14, where w = 1)
//
// A weight belongs to the space it is applied in. With SNR = alpha^2 / sigma^2 and one and the same error of
// x_0,
//   |d eps|^2 = SNR |d x_0|^2   and   |d v|^2 = (SNR + 1) |d x_0|^2,
// so a weight w on x_0 is w / SNR on eps and w / (SNR + 1) on v (2303.09556, section 3.4).
#pragma once

#include <string>
#include <vector>

#include "langevin/core/array.h"
#include "langevin/diffusion/prediction.h"
#include "langevin/diffusion/schedule.h"

namespace langevin {

struct LossWeightConfig {
  /// none           1 in the space of the prediction
  /// min_snr_gamma  min(SNR, gamma) on x_0, so min(SNR, gamma) / SNR on eps and min(SNR, gamma) / (SNR + 1)
  ///                on v (Hang et al. 2023, arXiv:2303.09556, section 3.4)
  /// p2             1 / (k + SNR)^gamma on eps, taken over to x_0 and v as above, so that the objective is
  ///                the same (Choi et al. 2022, arXiv:2204.00227, section 3)
  std::string kind = "none";
  double min_snr_gamma = 5;  // > 0
  double p2_k = 1;           // > 0
  double p2_gamma = 1;       // >= 0; 0 is L_simple on eps

  bool operator==(const LossWeightConfig&) const = default;
};

std::vector<std::string> loss_weight_kinds();

/// Registers the fields of `config` under "<prefix>kind", ...
void add_fields(Schema& schema, LossWeightConfig& config, const std::string& prefix = "loss.");

/// The weight at one signal-to-noise ratio (0 <= snr < infinity), by the limit at snr = 0. Throws on an
/// unknown kind and on parameters out of range.
double loss_weight(double snr, PredictionType type, const LossWeightConfig& config);

/// w(t) for t = 0..T-1, in the space of `type`.
std::vector<double> loss_weights(const Schedule& schedule, PredictionType type,
                                 const LossWeightConfig& config);

/// Mean over the elements of each sample of (output - target)^2: B values.
template <Array A>
std::vector<double> mean_square_error(const A& output, const A& target) {
  const int64_t batch = batch_size(output);
  std::vector<double> out = norm(lincomb(1.0, output, -1.0, target));
  const double elements = static_cast<double>(element_count(shape_of(output))) / static_cast<double>(batch);
  for (double& value : out) value = value * value / elements;
  return out;
}

/// L_simple: the mean over the batch of weight * mean square error.
template <Array A>
double simple_loss(const A& output, const A& target, const Coef& weight = 1.0) {
  check(batch_size(output) > 0, "simple_loss", "the batch is empty");
  weight.check_batch(batch_size(output));
  const std::vector<double> errors = mean_square_error(output, target);
  double sum = 0;
  for (size_t i = 0; i < errors.size(); ++i) sum += weight[static_cast<int64_t>(i)] * errors[i];
  return sum / static_cast<double>(errors.size());
}

}  // namespace langevin
