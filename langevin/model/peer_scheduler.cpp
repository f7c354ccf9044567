#include "langevin/model/peer_scheduler.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "langevin/core/names.h"
#include "langevin/nn/config_reader.h"

namespace langevin {
namespace {

using nlohmann::json;

/// A scheduler's configuration as it is taken apart.
struct Reading {
  nn::ConfigReader keys;
  std::string source;
  ModelSpec& spec;
  SamplerConfig& sampler;
  ThresholdConfig& threshold;
  bool rescaled = false;  // rescale_betas_zero_snr

  /// The key's text, which must be one of `known`.
  std::string one_of(const char* key, std::string value, const std::vector<std::string>& known) {
    keys.get(key, value);
    check(std::find(known.begin(), known.end(), value) != known.end(), source, "{}",
          unknown_name(key, value, known));
    return value;
  }
  bool flag(const char* key, bool value) {
    keys.get(key, value);
    return value;
  }
};

/// What an absent key of the process means; classes differ.
struct ProcessDefaults {
  double beta_start = 1e-4, beta_end = 0.02;
  const char* beta_schedule = "linear";
};

void read_prediction(Reading& r) {
  std::string prediction = "epsilon";
  if (!r.flag("predict_epsilon", true)) prediction = "sample";  // until 0.9
  prediction =
      r.one_of("prediction_type", prediction, {"epsilon", "sample", "v_prediction", "original_sample"});
  r.spec.prediction = prediction_type(prediction == "original_sample" ? "sample" : prediction);
}

void read_process(Reading& r, const ProcessDefaults& defaults) {
  ScheduleConfig& s = r.spec.schedule;
  s.beta_start = defaults.beta_start;
  s.beta_end = defaults.beta_end;
  const bool counted = r.keys.left().contains("num_train_timesteps");
  r.keys.get("num_train_timesteps", s.timesteps);
  r.keys.get("beta_start", s.beta_start);
  r.keys.get("beta_end", s.beta_end);
  s.kind = r.one_of("beta_schedule", defaults.beta_schedule,
                    {"linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"});
  r.keys.get("trained_betas", s.betas);
  if (!s.betas.empty()) {
    const auto given = static_cast<int64_t>(s.betas.size());
    check(!counted || given == s.timesteps, r.source,
          "trained_betas has {} numbers for num_train_timesteps = {}", given, s.timesteps);
    s.kind = "explicit";
    s.timesteps = given;
  }
  read_prediction(r);
  r.keys.expect("timestep_values", nullptr);  // 0.1
  r.keys.take("tensor_format");               // until 0.4: of its own arrays
}

void read_rescaling(Reading& r) { r.rescaled = r.flag("rescale_betas_zero_snr", false); }

void read_spacing(Reading& r, const char* usual) {
  r.sampler.spacing = r.one_of("timestep_spacing", usual, {"leading", "linspace", "trailing"});
  r.keys.get("steps_offset", r.sampler.steps_offset);
  check(r.sampler.steps_offset >= 0, r.source, "steps_offset must be 0 or more, got {}",
        r.sampler.steps_offset);
  if (r.sampler.spacing != "leading") r.sampler.steps_offset = 0;  // nor has it an effect there
}

/// Levels of noise in place of timesteps.
void read_levels(Reading& r) {
  const bool karras = r.flag("use_karras_sigmas", false),
             exponential = r.flag("use_exponential_sigmas", false);
  r.keys.expect("use_beta_sigmas", false);
  check(!(karras && exponential), r.source,
        "use_karras_sigmas and use_exponential_sigmas exclude each other");
  if (!karras && !exponential) return;
  r.sampler.peer_spacing = r.sampler.spacing;
  r.sampler.spacing = karras ? "karras" : "exponential";
}

/// Of multistep solvers since 0.32.
void read_flow(Reading& r) {
  r.keys.expect("use_flow_sigmas", false);
  r.keys.expect("use_dynamic_shifting", false);
  r.keys.expect("shift_terminal", nullptr);
  for (const char* key : {"flow_shift", "time_shift_type"}) r.keys.take(key);  // of use_flow_sigmas alone
}

void read_clip(Reading& r, bool usual) {
  double range = 1;
  const bool clip = r.flag("clip_sample", usual);
  r.keys.get("clip_sample_range", range);
  if (clip) r.threshold.kind = "clip", r.threshold.range = range;
  r.spec.clip = clip && range == 1;
}

/// After read_clip: dynamic thresholding comes first there too.
void read_threshold(Reading& r) {
  double quantile = 0.995, largest = 1;
  const bool on = r.flag("thresholding", false);
  r.keys.get("dynamic_thresholding_ratio", quantile);
  r.keys.get("sample_max_value", largest);
  if (!on) return;
  r.threshold = {"dynamic", 1, quantile, std::max(largest, 1.0), false};
}

void read_final_level(Reading& r) {
  r.sampler.final_level = r.one_of("final_sigmas_type", r.sampler.final_level, {"", "zero", "sigma_min"});
}

/// Exponential levels of multistep solvers came with versions that tell the network a timestep near its level
/// of noise; ours tells the timestep of that level.
void leave_exponential_levels(Reading& r) {
  if (r.sampler.spacing != "exponential") return;
  r.sampler.compat_diffusers = false;
  r.sampler.set_alpha_to_one = r.sampler.final_level == "zero";
  r.sampler.final_level.clear();
  r.sampler.peer_spacing.clear();
}

void read_order(Reading& r, const char* key, int64_t usual) {
  int64_t order = usual;
  r.keys.get(key, order);
  check(order >= 1 && order <= 3, r.source, "{} must be 1 to 3, got {}", key, order);
  r.sampler.order = order;
}

void read_ddpm(Reading& r) {
  r.sampler.name = "ddpm";
  r.sampler.compat_diffusers = false;  // it steps as we do
  read_process(r, {});
  read_rescaling(r);
  read_clip(r, true);
  read_threshold(r);
  read_spacing(r, "leading");
  const std::string variance = r.one_of("variance_type", "fixed_small",
                                        {"fixed_small", "fixed_small_log", "fixed_large", "learned_range"});
  // The log of fixed_small_log is of the same number.
  r.sampler.variance = variance == "fixed_small_log" ? "fixed_small" : variance;
  const bool learned = nn::learned_variance(r.spec.network);
  check(variance != "learned_range" || learned, r.source,
        "variance_type learned_range needs a network whose output has twice the channels of its input");
  check(r.sampler.variance == "fixed_small" || r.sampler.steps_offset == 0, r.source,
        "steps_offset = {} with variance_type {} (noise in the last step) is not supported",
        r.sampler.steps_offset, variance);
}

void read_ddim(Reading& r) {
  r.sampler.name = "ddim";
  read_process(r, {});
  read_rescaling(r);
  read_clip(r, true);
  read_threshold(r);
  read_spacing(r, "leading");
  r.keys.get("set_alpha_to_one", r.sampler.set_alpha_to_one);
}

void read_ddim_inverse(Reading& r) {
  read_ddim(r);
  // Until 0.18 its own name for the end that inversion begins from.
  r.keys.get("set_alpha_to_zero", r.sampler.set_alpha_to_one);
}

void read_pndm(Reading& r) {
  r.sampler.name = "pndm";
  r.sampler.skip_prk_steps = false;
  r.sampler.set_alpha_to_one = false;
  read_process(r, {});
  read_spacing(r, "leading");
  r.keys.get("skip_prk_steps", r.sampler.skip_prk_steps);
  r.keys.get("set_alpha_to_one", r.sampler.set_alpha_to_one);
  // Theirs steps by T / steps whatever the grid, and combines v where that is predicted: ours goes to the
  // grid's next level and combines noise. They are the same on the usual configuration.
  r.sampler.compat_diffusers = r.sampler.spacing == "leading" && r.spec.prediction == PredictionType::epsilon;
}

void read_lambda_min(Reading& r) {
  const json least = r.keys.take("lambda_min_clipped");
  check(least.is_null() || least == "-Infinity" || (least.is_number() && least.get<double>() < -1e4),
        r.source, "lambda_min_clipped = {} is not supported, only -Infinity", least.dump());
}

void read_dpm_common(Reading& r) {
  read_process(r, {});
  read_threshold(r);
  read_order(r, "solver_order", 2);
  // A second half of the output is left alone there, and so it is here.
  if (!nn::learned_variance(r.spec.network)) r.keys.expect("variance_type", nullptr);
  r.one_of("variance_type", "learned_range", {"learned", "learned_range"});
  read_lambda_min(r);
  read_flow(r);
}

void read_dpm_multistep(Reading& r) {
  read_dpm_common(r);
  read_rescaling(r);
  read_spacing(r, "linspace");
  read_levels(r);
  r.keys.expect("use_lu_lambdas", false);
  const std::string algorithm =
      r.one_of("algorithm_type", "dpmsolver++", {"dpmsolver++", "dpmsolver", "sde-dpmsolver++", "deis"});
  r.sampler.name = algorithm == "sde-dpmsolver++" ? "sde_dpmsolver++"
                   : algorithm == "dpmsolver"     ? "dpmsolver"
                                                  : "dpmsolver++";  // deis becomes it there too
  // On eps the clipped x_0 counts only through eps.
  r.threshold.rederive_eps = r.sampler.name == "dpmsolver";
  const std::string solver =
      r.one_of("solver_type", "midpoint", {"midpoint", "heun", "logrho", "bh1", "bh2"});
  r.sampler.solver = solver == "heun" ? "heun" : "midpoint";  // the others become it there too
  r.keys.get("lower_order_final", r.sampler.lower_order_final);
  read_final_level(r);
  const bool euler = r.flag("euler_at_final", false);
  check(!euler || r.sampler.final_level == "zero" || r.sampler.order == 1, r.source,
        "euler_at_final = true is not supported but with final_sigmas_type zero");
  leave_exponential_levels(r);
}

void read_dpm_singlestep(Reading& r) {
  read_dpm_common(r);
  // Theirs asks at the grid's own points, ours between them, as the paper has it: the same orders, other
  // numbers.
  r.sampler.compat_diffusers = false;
  r.sampler.spacing = "linspace";
  read_levels(r);
  r.sampler.peer_spacing.clear();
  const std::string algorithm =
      r.one_of("algorithm_type", "dpmsolver++", {"dpmsolver++", "dpmsolver", "deis"});
  r.sampler.name = algorithm == "dpmsolver" ? "dpmsolver_single" : "dpmsolver++_single";
  r.threshold.rederive_eps = algorithm == "dpmsolver";
  r.one_of("solver_type", "midpoint", {"midpoint", "logrho", "bh1", "bh2"});
  r.keys.get("lower_order_final", r.sampler.lower_order_final);
  read_final_level(r);
  r.sampler.set_alpha_to_one = r.sampler.final_level == "zero";
  r.sampler.final_level.clear();
}

void read_dpm_sde(Reading& r) {
  r.sampler.name = "sde_dpmsolver++";
  r.sampler.compat_diffusers = false;  // the same equation, solved by another scheme
  read_process(r, {0.00085, 0.012, "linear"});
  read_spacing(r, "linspace");
  read_levels(r);
  r.sampler.peer_spacing.clear();
  r.keys.expect("noise_sampler_seed", nullptr);
}

void read_unipc(Reading& r) {
  r.sampler.name = "unipc";
  read_process(r, {});
  read_rescaling(r);
  read_threshold(r);
  read_order(r, "solver_order", 2);
  read_spacing(r, "linspace");
  read_levels(r);
  read_flow(r);
  r.keys.expect("predict_x0", true);
  const std::string solver = r.one_of("solver_type", "bh2", {"bh2", "bh1", "midpoint", "heun", "logrho"});
  r.sampler.solver = solver == "bh1" ? "bh1" : "bh2";  // the others become it there too
  r.keys.get("lower_order_final", r.sampler.lower_order_final);
  r.keys.expect("disable_corrector", json::array());
  r.keys.expect("solver_p", nullptr);
  r.keys.expect("sigma_min", nullptr);
  r.keys.expect("sigma_max", nullptr);
  read_final_level(r);
  leave_exponential_levels(r);
}

void read_deis(Reading& r) {
  r.sampler.name = "deis";
  read_process(r, {});
  read_threshold(r);
  r.threshold.rederive_eps = true;
  read_order(r, "solver_order", 2);
  read_spacing(r, "linspace");
  read_levels(r);
  read_flow(r);
  r.one_of("algorithm_type", "deis", {"deis", "dpmsolver", "dpmsolver++"});         // all become deis there
  r.one_of("solver_type", "logrho", {"logrho", "midpoint", "heun", "bh1", "bh2"});  // all become logrho
  r.sampler.solver = "log_rho";
  r.keys.get("lower_order_final", r.sampler.lower_order_final);
  leave_exponential_levels(r);
}

/// The family of k-diffusion: levels of sigma, ending on clean data.
void read_sigmas(Reading& r, const char* name, const ProcessDefaults& defaults) {
  r.sampler.name = name;
  read_process(r, defaults);
  read_spacing(r, "linspace");
}

constexpr ProcessDefaults kShapE{0.00085, 0.012, "linear"};

void read_lms(Reading& r) {
  read_sigmas(r, "lms", {});
  read_levels(r);
}

void read_euler(Reading& r) {
  read_sigmas(r, "euler", {});
  read_rescaling(r);
  read_levels(r);
  r.keys.expect("interpolation_type", "linear");
  r.keys.expect("sigma_min", nullptr);
  r.keys.expect("sigma_max", nullptr);
  r.keys.expect("timestep_type", "discrete");
  read_final_level(r);
}

void read_euler_ancestral(Reading& r) {
  read_sigmas(r, "euler_ancestral", {});
  read_rescaling(r);
}

void read_heun(Reading& r) {
  read_sigmas(r, "heun", kShapE);
  read_levels(r);
  read_clip(r, false);
  r.threshold.rederive_eps = true;  // its derivative is of the clipped x_0
}

void read_kdpm2(Reading& r) {
  read_sigmas(r, "kdpm2", kShapE);
  read_levels(r);
}

void read_kdpm2_ancestral(Reading& r) {
  read_sigmas(r, "kdpm2_ancestral", kShapE);
  read_levels(r);
}

void read_lcm(Reading& r) {
  r.sampler.name = "lcm";
  read_process(r, {0.00085, 0.012, "scaled_linear"});
  read_rescaling(r);
  read_clip(r, false);
  read_threshold(r);
  r.keys.get("original_inference_steps", r.sampler.original_steps);
  r.keys.expect("timestep_scaling", 10.0);
  // Its grid comes from original_inference_steps alone, and its last step adds nothing to x_0.
  for (const char* key : {"timestep_spacing", "steps_offset", "set_alpha_to_one"}) r.keys.take(key);
}

struct SchedulerClass {
  void (*read)(Reading&);
  /// Of a rescaled schedule the last level keeps alphas_cumprod = 2^-24: sigma stays finite.
  bool nearly_zero = false;
};

const std::map<std::string, SchedulerClass>& classes() {
  static const std::map<std::string, SchedulerClass> table{
      {"DDPMScheduler", {read_ddpm}},
      {"DDIMScheduler", {read_ddim}},
      {"DDIMInverseScheduler", {read_ddim_inverse}},
      {"PNDMScheduler", {read_pndm}},
      {"DPMSolverMultistepScheduler", {read_dpm_multistep, true}},
      {"DPMSolverSinglestepScheduler", {read_dpm_singlestep}},
      {"DPMSolverSDEScheduler", {read_dpm_sde}},
      {"UniPCMultistepScheduler", {read_unipc, true}},
      {"DEISMultistepScheduler", {read_deis}},
      {"LMSDiscreteScheduler", {read_lms}},
      {"EulerDiscreteScheduler", {read_euler, true}},
      {"EulerAncestralDiscreteScheduler", {read_euler_ancestral, true}},
      {"HeunDiscreteScheduler", {read_heun}},
      {"KDPM2DiscreteScheduler", {read_kdpm2}},
      {"KDPM2AncestralDiscreteScheduler", {read_kdpm2_ancestral}},
      {"LCMScheduler", {read_lcm}},
  };
  return table;
}

/// Keys that some scheduler of diffusers has; one without them leaves them alone.
const std::set<std::string>& keys_of_others() {
  static const std::set<std::string> keys{"algorithm_type",
                                          "base_image_seq_len",
                                          "base_shift",
                                          "clip_sample",
                                          "clip_sample_range",
                                          "disable_corrector",
                                          "dynamic_thresholding_ratio",
                                          "euler_at_final",
                                          "final_sigmas_type",
                                          "flow_shift",
                                          "interpolation_type",
                                          "invert_sigmas",
                                          "lambda_min_clipped",
                                          "lower_order_final",
                                          "max_image_seq_len",
                                          "max_shift",
                                          "noise_sampler_seed",
                                          "original_inference_steps",
                                          "predict_x0",
                                          "sample_max_value",
                                          "set_alpha_to_one",
                                          "set_alpha_to_zero",
                                          "shift",
                                          "shift_terminal",
                                          "sigma_data",
                                          "sigma_schedule",
                                          "skip_prk_steps",
                                          "solver_order",
                                          "solver_p",
                                          "solver_type",
                                          "steps_offset",
                                          "stochastic_sampling",
                                          "thresholding",
                                          "time_shift_type",
                                          "timestep_scaling",
                                          "timestep_spacing",
                                          "timestep_type",
                                          "use_dynamic_shifting",
                                          "use_lu_lambdas",
                                          "variance_type"};
  return keys;
}

/// Where another class reads a configuration, its own defaults replace those that the first one filled in.
json without_defaults(json config) {
  const auto filled = config.find("_use_default_values");
  if (filled == config.end() || !filled->is_array()) return config;
  const json keys = *filled;
  for (const json& key : keys) {
    if (key.is_string()) config.erase(key.get<std::string>());
  }
  return config;
}

/// `config` rescaled, but with signal left at the end: alphas_cumprod falls to 2^-24 and no further. (There
/// the last level alone is set to it, after ones below; that changes nothing unless they are visited.)
ScheduleConfig nearly_zero_snr(ScheduleConfig config) {
  config.zero_terminal_snr = true;
  const Schedule schedule(config);
  const int64_t T = schedule.T();
  double before = 1;
  config.betas.clear();
  for (int64_t t = 0; t < T; ++t) {
    const double floor = std::exp2(-24) * (1 + 1e-3 * static_cast<double>(T - 1 - t));
    const double now = std::max(schedule.alpha_bar(t), floor);
    config.betas.push_back(1 - now / before);
    before = now;
  }
  config.kind = "explicit";
  config.zero_terminal_snr = false;
  return config;
}

bool has_no_weight(const std::string& key, const json& value) {
  static const std::set<std::string> harmless{"interpolation_type", "sample_max_value", "set_alpha_to_one",
                                              "skip_prk_steps"};
  return value.is_null() || value == false || harmless.count(key) != 0;
}

/// What is left is another class's, or refused; a line for the user where there is something.
std::vector<std::string> note_others(Reading& r, const std::string& name) {
  std::vector<std::string> unused;
  const json left = r.keys.left();
  for (const auto& [key, value] : left.items()) {
    if (keys_of_others().count(key) == 0) continue;
    r.keys.take(key.c_str());
    if (!has_no_weight(key, value)) unused.push_back(key);
  }
  r.keys.finish();
  if (unused.empty()) return {};
  return {fmt::format("{}: {} has no {}; no effect here either", r.source, name, fmt::join(unused, ", "))};
}

}  // namespace

std::vector<std::string> apply_peer_scheduler(const json& config, const std::string& source,
                                              const std::string& class_name, ModelSpec& spec) {
  SamplingDefaults sampling;
  sampling.sampler.compat_diffusers = true;
  sampling.threshold.kind = "none";
  const json own = config.is_object() && config.contains("_class_name") ? config.at("_class_name") : json("");
  const std::string name = !class_name.empty() ? class_name : own.is_string() ? own.get<std::string>() : "";
  Reading r{nn::ConfigReader(name == own ? config : without_defaults(config), source), source, spec,
            sampling.sampler, sampling.threshold};
  std::vector<std::string> known;
  for (const auto& [known_name, entry] : classes()) known.push_back(known_name);
  const auto found = classes().find(name);
  check(found != classes().end(), source, "{}", unknown_name("scheduler", name, known));
  found->second.read(r);
  std::vector<std::string> notes = note_others(r, name);
  if (r.rescaled && found->second.nearly_zero) {
    spec.schedule = nearly_zero_snr(spec.schedule);
  } else {
    spec.schedule.zero_terminal_snr = r.rescaled;
  }
  try {
    const Schedule schedule(spec.schedule);  // its numbers do
    check_threshold(sampling.threshold);
  } catch (const Error& e) {
    fail("{}: {}", source, e.what());
  }
  sampling.sampler.steps = std::min<int64_t>(sampling.sampler.steps, spec.schedule.timesteps);
  spec.sampling = sampling;
  return notes;
}

}  // namespace langevin
