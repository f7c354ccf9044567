#include "langevin/model/classifier.h"

namespace langevin {
namespace {

/// What noise a model was trained on, as its file says it.
nlohmann::json noise_of(const ModelSpec& spec) {
  if (spec.target.kind != "ddpm") return to_json(spec.target);
  nlohmann::json schedule;
  to_json(schedule, spec.schedule);
  return schedule;
}

/// The first key whose values differ, with both.
std::string difference(const nlohmann::json& a, const nlohmann::json& b) {
  for (const auto& [key, value] : a.items()) {
    if (!b.contains(key)) return fmt::format("{} {}, the model has none", key, value.dump());
    if (b[key] != value) return fmt::format("{} {}, the model {}", key, value.dump(), b[key].dump());
  }
  return "less than the model";
}

}  // namespace

Target::Input clean_input(const ModelSpec& spec) {
  const nn::ClassifierConfig* c = nn::classifier(spec.network);
  check(c != nullptr, "clean_input", "the model is no classifier");
  if (!c->noisy) return {};
  const Target target = target_of(spec);
  Target::Input input = target.input(target.path().t_min);
  input.scale *= target.level(target.path().t_min).alpha[0];
  return input;
}

void check_guides(const ModelSpec& spec, const std::string& name, const ModelSpec& model) {
  const nn::ClassifierConfig* c = nn::classifier(spec.network);
  check(c != nullptr, name, "is no classifier; train one with langevin train --task classifier");
  check(c->noisy, name, "was trained on clean pictures (classifier.noisy = false) and cannot guide");
  const Shape mine = nn::input_shape(spec.network, 1), its = nn::input_shape(model.network, 1);
  check(mine == its, name, "classifies pictures of {}, the model makes {}", to_string(mine), to_string(its));
  check(spec.target.kind == model.target.kind, name,
        "was trained on the noise of {}, the model on that of {}", spec.target.kind, model.target.kind);
  check(noise_of(spec) == noise_of(model), name, "was trained on other noise: {}",
        difference(noise_of(spec), noise_of(model)));
  check(spec.normaliser_offset == model.normaliser_offset && spec.normaliser_scale == model.normaliser_scale,
        name, "scales values by {} and {}, the model by {} and {}", spec.normaliser_offset,
        spec.normaliser_scale, model.normaliser_offset, model.normaliser_scale);
  check(model.labels.empty() || model.labels == spec.labels, name,
        "knows other classes than the model ({} and {}, or in another order)", spec.labels.size(),
        model.labels.size());
}

}  // namespace langevin
