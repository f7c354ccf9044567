#include "langevin/model/spec.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "langevin/core/config.h"
#include "langevin/diffusion/likelihood.h"

namespace langevin {

using nlohmann::json;

namespace {

void add_fields(Schema& schema, SamplingDefaults& sampling) {
  langevin::add_fields(schema, sampling.sampler);
  ThresholdConfig& threshold = sampling.threshold;
  schema.field("threshold.kind", threshold.kind, "of x_0", threshold_kinds());
  schema.field("threshold.range", threshold.range, "data lies in [-range, range]", {1e-6, 1e6});
  schema.field("threshold.quantile", threshold.quantile, "of |x_0| in a sample (dynamic)", {0, 1});
  schema.field("threshold.max", threshold.max, "the quantile counts up to this (dynamic)", {1e-6, 1e6});
  schema.field("threshold.rederive_eps", threshold.rederive_eps, "eps follows the clipped x_0");
}

json sampling_json(const SamplingDefaults& sampling) {
  SamplingDefaults copy = sampling;
  Schema schema;
  add_fields(schema, copy);
  return schema.to_json();
}

SamplingDefaults sampling_from_json(const json& object, const NoisePath& path, const std::string& source) {
  SamplingDefaults sampling;
  Schema schema;
  add_fields(schema, sampling);
  schema.from_json(object, source);
  check_sampler(sampling.sampler, path);
  check_threshold(sampling.threshold);
  return sampling;
}

}  // namespace

json to_json(const ModelSpec& spec) {
  json object{{"format", 1},
              {"network", nn::to_json(spec.network)},
              {"normaliser", {{"offset", spec.normaliser_offset}, {"scale", spec.normaliser_scale}}},
              {"clip", spec.clip},
              {"labels", spec.labels},
              {"null_class", spec.null_class},
              {"units", spec.units},
              {"licence", spec.licence},
              {"provenance", spec.provenance}};
  if (spec.sampling) object["sampling"] = sampling_json(*spec.sampling);
  if (spec.vae) object["vae"] = {{"likelihood", spec.vae->likelihood}, {"log_scale", spec.vae->log_scale}};
  if (spec.int8) object["int8"] = to_json(*spec.int8);
  if (spec.target.kind == "ddpm") {
    json schedule;
    to_json(schedule, spec.schedule);
    object.update({{"schedule", schedule}, {"prediction", to_string(spec.prediction)}});
  } else {
    object["target"] = to_json(spec.target);
  }
  return object;
}

namespace {

/// `target`, or where it is absent (ddpm) `schedule` and `prediction`.
void read_target(const json& object, ModelSpec& spec, const std::string& source) {
  if (!object.contains("target")) {
    from_json(object.at("schedule"), spec.schedule);
    spec.prediction = prediction_type(object.at("prediction").get<std::string>());
    return;
  }
  spec.target = target_from_json(object["target"], source);
  for (const char* key : {"schedule", "prediction"}) {
    check(!object.contains(key), source, "the description has both 'target' and '{}'", key);
  }
  target_of(spec);  // what its numbers do not allow is found here
}

VaeSpec vae_from_json(const json& object, const nn::NetworkConfig& network, const std::string& source) {
  check(nn::is_autoencoder(network), source, "the description has 'vae', but its network is no autoencoder");
  VaeSpec vae;
  vae.likelihood = to_string(likelihood_from_name(object.at("likelihood").get<std::string>()));
  vae.log_scale = object.at("log_scale").get<double>();
  check(std::abs(vae.log_scale) <= 50, source, "vae.log_scale must be in [-50, 50], got {}", vae.log_scale);
  return vae;
}

}  // namespace

ModelSpec spec_from_json(const json& object, const std::string& source) {
  check(object.is_object(), source, "the metadata key 'langevin' is not a JSON object");
  static const std::vector<std::string> known{
      "format",     "network", "target",  "schedule",   "prediction", "normaliser", "clip", "labels",
      "null_class", "units",   "licence", "provenance", "sampling",   "int8",       "vae"};
  for (const auto& [key, value] : object.items()) {
    check(std::find(known.begin(), known.end(), key) != known.end(), source, "{}",
          unknown_name("key in the model's description", key, known));
  }
  try {
    const auto format = object.at("format").get<int64_t>();
    check(format == 1, source, "the file has format {}, this version reads format 1; update to read it",
          format);
    ModelSpec spec;
    spec.network = nn::network_from_json(object.at("network"), source);
    read_target(object, spec, source);
    spec.normaliser_offset = object.at("normaliser").at("offset").get<double>();
    spec.normaliser_scale = object.at("normaliser").at("scale").get<double>();
    check(spec.normaliser_scale > 0, source, "the normaliser's scale must be positive, got {}",
          spec.normaliser_scale);
    spec.clip = object.value("clip", true);
    spec.labels = object.value("labels", std::vector<std::string>{});
    spec.null_class = object.value("null_class", false);
    spec.units = object.value("units", "");
    spec.licence = object.value("licence", "");
    spec.provenance = object.value("provenance", json::object());
    if (object.contains("sampling"))
      spec.sampling = sampling_from_json(object.at("sampling"), target_of(spec).path(), source);
    if (object.contains("vae")) spec.vae = vae_from_json(object.at("vae"), spec.network, source);
    if (object.contains("int8")) spec.int8 = calibration_from_json(object.at("int8"), spec.network, source);
    if (const auto* c = nn::classifier(spec.network)) {
      check(static_cast<int64_t>(spec.labels.size()) == c->num_classes && !spec.null_class, source,
            "the network tells {} classes apart, the description has {} labels{}", c->num_classes,
            spec.labels.size(), spec.null_class ? " and a null class" : "");
    }
    const int64_t classes = nn::class_count(spec.network);
    const auto labels = static_cast<int64_t>(spec.labels.size()) + (spec.null_class ? 1 : 0);
    check(classes == 0 || labels == classes, source,
          "the network has {} class embeddings, the description {} labels{}", classes, spec.labels.size(),
          spec.null_class ? " and a null class" : "");
    return spec;
  } catch (const json::exception& e) {
    fail("{}: the model's description is damaged: {}", source, e.what());
  }
}

Target target_of(const ModelSpec& spec) { return Target(spec.target, spec.schedule, spec.prediction); }

void check_ddpm(const ModelSpec& spec, const std::string& what) {
  check(spec.target.kind == "ddpm", what,
        "needs a model of timesteps (diffusion.target = ddpm), this one was trained as {}", spec.target.kind);
}

int64_t class_index(const ModelSpec& spec, const std::string& name) {
  check(!spec.labels.empty(), "--class", "the model was trained without classes; leave the option out");
  const auto it = std::find(spec.labels.begin(), spec.labels.end(), name);
  if (it != spec.labels.end()) return it - spec.labels.begin();
  const auto number_of = [](const std::string& text) -> int64_t {
    int64_t number = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size() ? number : -1;
  };
  // Where classes are called by numbers, a number is a name: 1 must not become the class called 7.
  const bool named_by_numbers =
      std::any_of(spec.labels.begin(), spec.labels.end(), [&](const auto& l) { return number_of(l) >= 0; });
  const int64_t number = named_by_numbers ? -1 : number_of(name);
  if (number >= 0 && number < static_cast<int64_t>(spec.labels.size())) return number;
  fail("--class: {}", unknown_name("class", name, spec.labels));
}

int64_t null_label(const ModelSpec& spec) {
  return spec.null_class ? static_cast<int64_t>(spec.labels.size()) : -1;
}

}  // namespace langevin
