#include "langevin/cli/condition_options.h"

#include <algorithm>
#include <cmath>

#include "langevin/cli/sampler_options.h"

namespace langevin::cli {
namespace {

constexpr double kGuidance = 2;  // where the model knows a null class

}  // namespace

void add_condition(CLI::App& app, ConditionOptions& o) {
  app.add_option("--class", o.classes, "class by name or number; several (repeated or a,b) take turns; all")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--guidance", o.guidance, "strength of the class: 1 none, default 2");
  app.add_option("--threshold", o.threshold, "of x_0: clip (default), dynamic or none");
}

std::vector<int64_t> chosen_classes(const ConditionOptions& o, const ModelSpec& spec,
                                    const std::string& model) {
  const int64_t known = nn::class_count(spec.network) == 0 ? 0 : static_cast<int64_t>(spec.labels.size());
  std::vector<int64_t> chosen;
  if (known == 0) {
    check(o.classes.empty(), "--class", "{} was trained without classes; leave the option out", model);
    return chosen;
  }
  for (const std::string& text : o.classes) {
    const bool whole = std::find(spec.labels.begin(), spec.labels.end(), text) != spec.labels.end();
    size_t begin = 0;
    while (begin <= text.size()) {
      const size_t end = whole ? text.size() : std::min(text.find(',', begin), text.size());
      const std::string name = text.substr(begin, end - begin);
      const bool all = name == "all" && !whole;
      for (int64_t i = 0; all && i < known; ++i) chosen.push_back(i);
      if (!all) chosen.push_back(class_index(spec, name));
      begin = end + 1;
    }
  }
  for (int64_t i = 0; o.classes.empty() && i < known; ++i) chosen.push_back(i);
  return chosen;
}

double chosen_guidance(const ConditionOptions& o, const ModelSpec& spec, const std::string& model,
                       bool conditional) {
  if (!o.guidance) return conditional && spec.null_class ? kGuidance : 1;
  if (!std::isfinite(*o.guidance)) fail_usage("--guidance must be a finite number");
  check(conditional, "--guidance", "{} was trained without classes; leave the option out", model);
  check(spec.null_class || *o.guidance == 1, "--guidance",
        "{} was trained without a null class (diffusion.label_dropout = 0), which guidance needs; leave the "
        "option out",
        model);
  return *o.guidance;
}

ThresholdConfig chosen_threshold(const ConditionOptions& o, const ModelSpec& spec,
                                 const SamplerConfig& sampler) {
  ThresholdConfig threshold;
  threshold.kind = spec.clip ? "clip" : "none";
  // A clipped x_0 with the network's own eps is a step in no consistent direction, and guidance clips at
  // every step: eps follows the clipped x_0, as in the papers' own code. diffusers keeps the network's.
  threshold.rederive_eps = !sampler.compat_diffusers;
  if (spec.sampling && spec.sampling->sampler.name == sampler.name) threshold = spec.sampling->threshold;
  if (!o.threshold.empty()) threshold.kind = o.threshold;
  as_usage([&] { check_threshold(threshold); });
  return threshold;
}

}  // namespace langevin::cli
