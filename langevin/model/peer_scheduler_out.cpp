// The other direction of peer_scheduler.h: a model's process as a scheduler_config.json.
#include "langevin/model/peer_scheduler.h"

namespace langevin {

using nlohmann::json;

namespace {

/// beta_schedule and what belongs to it.
void add_betas(json& object, const ScheduleConfig& s) {
  const bool named = s.kind == "linear" || s.kind == "scaled_linear" || s.kind == "squaredcos_cap_v2";
  object["beta_schedule"] = named ? s.kind : s.kind == "cosine" ? "squaredcos_cap_v2" : "linear";
  object["beta_start"] = s.beta_start;
  object["beta_end"] = s.beta_end;
  object["num_train_timesteps"] = s.timesteps;
  object["trained_betas"] = nullptr;
  if (named || s.kind == "cosine") return;
  ScheduleConfig plain = s;  // rescaling is said by its own key
  plain.zero_terminal_snr = false;
  const Schedule schedule(plain);
  object["trained_betas"] = std::vector<double>(schedule.betas().begin(), schedule.betas().end());
}

void add_threshold(json& object, const ThresholdConfig& t) {
  object["clip_sample"] = t.kind == "clip";
  object["clip_sample_range"] = t.kind == "clip" ? t.range : 1.0;
  object["thresholding"] = t.kind == "dynamic";
  object["dynamic_thresholding_ratio"] = t.quantile;
  object["sample_max_value"] = t.kind == "dynamic" ? t.max : 1.0;
}

}  // namespace

json peer_scheduler(const ModelSpec& spec) {
  const bool own =
      spec.sampling && (spec.sampling->sampler.name == "ddpm" || spec.sampling->sampler.name == "ddim");
  SamplingDefaults sampling;
  sampling.threshold.kind = spec.clip ? "clip" : "none";
  if (nn::learned_variance(spec.network)) {  // which diffusers' DDIM cannot take apart
    sampling.sampler.name = "ddpm";
    sampling.sampler.variance = "learned_range";
  }
  if (own) sampling = *spec.sampling;
  const SamplerConfig& s = sampling.sampler;
  json object{{"_class_name", s.name == "ddpm" ? "DDPMScheduler" : "DDIMScheduler"},
              {"prediction_type", to_string(spec.prediction)},
              {"rescale_betas_zero_snr", spec.schedule.zero_terminal_snr},
              {"timestep_spacing", s.spacing},
              {"steps_offset", s.steps_offset}};
  add_betas(object, spec.schedule);
  add_threshold(object, sampling.threshold);
  if (s.name == "ddpm") {
    object["variance_type"] = s.variance;
  } else {
    object["set_alpha_to_one"] = s.set_alpha_to_one;
  }
  return object;
}

}  // namespace langevin
