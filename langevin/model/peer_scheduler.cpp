#include "langevin/model/peer_scheduler.h"

#include <algorithm>

#include "langevin/core/names.h"
#include "langevin/nn/config_reader.h"

namespace langevin {
namespace {

using nlohmann::json;

/// The keys that schedulers of a variance preserving process share.
void read_schedule(nn::ConfigReader& r, const std::string& source, ModelSpec& spec) {
  ScheduleConfig& s = spec.schedule;
  r.get("num_train_timesteps", s.timesteps);
  r.get("beta_start", s.beta_start);
  r.get("beta_end", s.beta_end);
  r.get("beta_schedule", s.kind);
  const std::vector<std::string> kinds{"linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"};
  check(std::find(kinds.begin(), kinds.end(), s.kind) != kinds.end(), source, "{}",
        unknown_name("beta_schedule", s.kind, kinds));
  r.get("trained_betas", s.betas);
  if (!s.betas.empty()) s.kind = "explicit";
  r.get("rescale_betas_zero_snr", s.zero_terminal_snr);
  std::string prediction = "epsilon";
  r.get("prediction_type", prediction);
  spec.prediction = prediction_type(prediction);
}

}  // namespace

void apply_peer_scheduler(const json& config, const std::string& source, const std::string& class_name,
                          ModelSpec& spec) {
  nn::ConfigReader r(config, source);
  const std::string name = class_name.empty() ? config.value("_class_name", std::string()) : class_name;
  const std::vector<std::string> known{"DDPMScheduler", "DDIMScheduler"};
  check(std::find(known.begin(), known.end(), name) != known.end(), source, "{}",
        unknown_name("scheduler", name, known));
  read_schedule(r, source, spec);
  r.get("clip_sample", spec.clip);
  for (const char* key :
       {"clip_sample_range", "thresholding", "dynamic_thresholding_ratio", "sample_max_value",
        "timestep_spacing", "steps_offset", "variance_type", "set_alpha_to_one"})
    r.take(key);
  r.finish();
}

}  // namespace langevin
