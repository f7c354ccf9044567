#include "langevin/diffusion/target.h"

#include <algorithm>
#include <cmath>

#include "langevin/core/config.h"

namespace langevin {
namespace {

NoisePath path_of(const TargetConfig& config, const std::optional<Schedule>& schedule) {
  if (schedule) return discrete_path(*schedule);
  return config.kind == "edm" ? edm_path(config.sigma_min, config.sigma_max) : flow_path();
}

TargetConfig checked(TargetConfig config) {
  const auto kinds = target_kinds();
  if (std::find(kinds.begin(), kinds.end(), config.kind) == kinds.end())
    throw Error(unknown_name("training target", config.kind, kinds));
  check(config.kind != "edm" || (config.sigma_data > 0 && std::isfinite(config.sigma_data)), "target",
        "sigma_data must be above 0, got {}", config.sigma_data);
  check(config.kind != "flow" || (config.time_scale > 0 && std::isfinite(config.time_scale)), "target",
        "time_scale must be above 0, got {}", config.time_scale);
  return config;
}

/// The fields that `kind` has.
void add_fields(Schema& schema, TargetConfig& config) {
  schema.field("kind", config.kind, "training target", target_kinds());
  if (config.kind == "edm") {
    schema.field("sigma_data", config.sigma_data, "standard deviation of the data", {1e-6, 1e6});
    schema.field("sigma_min", config.sigma_min, "lowest level sampled", {1e-9, 1e9});
    schema.field("sigma_max", config.sigma_max, "highest level sampled", {1e-9, 1e9});
  }
  if (config.kind == "flow")
    schema.field("time_scale", config.time_scale, "factor of the time that the network is told", {1e-6, 1e9});
}

}  // namespace

std::vector<std::string> target_kinds() { return {"ddpm", "edm", "flow"}; }

nlohmann::json to_json(const TargetConfig& config) {
  TargetConfig copy = config;
  Schema schema;
  add_fields(schema, copy);
  return schema.to_json();
}

TargetConfig target_from_json(const nlohmann::json& json, const std::string& source) {
  check(json.is_object() && json.contains("kind") && json["kind"].is_string(), source,
        "the training target has no 'kind'");
  TargetConfig config;
  config.kind = json["kind"].get<std::string>();
  Schema schema;
  add_fields(schema, config);
  schema.from_json(json, source);
  return config;
}

Target::Target(TargetConfig config, const ScheduleConfig& schedule, PredictionType prediction)
    : config_(checked(std::move(config))),
      schedule_(config_.kind == "ddpm" ? std::optional<Schedule>(schedule) : std::nullopt),
      prediction_(prediction),
      path_(path_of(config_, schedule_)) {}

Level Target::level(double t) const {
  const PathPoint point = path_.at(t);
  return {point.alpha, point.sigma};
}

Target::Input Target::input(double t) const {
  if (config_.kind == "edm") {
    const EdmCoefs c = edm_coefs(t, config_.sigma_data);
    return {c.in, c.noise};
  }
  return {1, config_.kind == "flow" ? t * config_.time_scale : t};
}

Level Target::level_of_told(double told) const {
  if (schedule_) return level(told);
  return level(config_.kind == "edm" ? std::clamp(std::exp(4 * told), path_.t_end, path_.t_max)
                                     : std::clamp(told / config_.time_scale, 0.0, 1.0));
}

}  // namespace langevin
