#include "langevin/diffusion/loss.h"

#include <algorithm>
#include <cmath>

#include "langevin/core/config.h"

namespace langevin {
namespace {

/// |d x_0|^2 / |d eps|^2 = 1 / SNR times this is the factor from a weight on eps to one in the space of
/// `type`.
double from_eps_weight(double snr, PredictionType type) {
  switch (type) {
    case PredictionType::epsilon:
      return 1;
    case PredictionType::sample:
      return snr;
    case PredictionType::v_prediction:
      return snr / (snr + 1);
  }
  fail("loss_weight: unknown prediction type {}", static_cast<int>(type));
}

double min_snr_weight(double snr, PredictionType type, double gamma) {
  const double on_eps = snr > gamma ? gamma / snr : 1.0;  // min(SNR, gamma) / SNR; 1 in the limit SNR -> 0
  return on_eps * from_eps_weight(snr, type);
}

}  // namespace

std::vector<std::string> loss_weight_kinds() { return {"none", "min_snr_gamma", "p2"}; }

void add_fields(Schema& schema, LossWeightConfig& config, const std::string& prefix) {
  schema.field(prefix + "kind", config.kind,
               "weight of each timestep in the loss; none = all alike (L_simple)", loss_weight_kinds());
  schema.field(prefix + "min_snr_gamma", config.min_snr_gamma, "cap on the SNR (arXiv:2303.09556)",
               {1e-6, 1e6});
  schema.field(prefix + "p2_k", config.p2_k, "P2's k (arXiv:2204.00227)", {1e-6, 1e6});
  schema.field(prefix + "p2_gamma", config.p2_gamma, "P2's gamma; 0 is no weighting", {0, 10});
}

double loss_weight(double snr, PredictionType type, const LossWeightConfig& config) {
  check(snr >= 0 && std::isfinite(snr), "loss_weight", "SNR must be finite and not negative, got {}", snr);
  if (config.kind == "none") return 1;
  if (config.kind == "min_snr_gamma") {
    check(config.min_snr_gamma > 0, "loss_weight", "min_snr_gamma must be above 0, got {}",
          config.min_snr_gamma);
    return min_snr_weight(snr, type, config.min_snr_gamma);
  }
  if (config.kind == "p2") {
    check(config.p2_k > 0 && config.p2_gamma >= 0, "loss_weight",
          "needs p2_k > 0 and p2_gamma >= 0, got {} and {}", config.p2_k, config.p2_gamma);
    return std::pow(config.p2_k + snr, -config.p2_gamma) * from_eps_weight(snr, type);
  }
  throw Error("loss_weight: " + unknown_name("loss weight", config.kind, loss_weight_kinds()));
}

std::vector<double> loss_weights(const Schedule& schedule, PredictionType type,
                                 const LossWeightConfig& config) {
  std::vector<double> out;
  out.reserve(static_cast<size_t>(schedule.T()));
  for (int64_t t = 0; t < schedule.T(); ++t) out.push_back(loss_weight(schedule.snr(t), type, config));
  return out;
}

}  // namespace langevin
