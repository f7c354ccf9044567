#include "langevin/cli/condition_options.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "langevin/cli/sampler_options.h"
#include "langevin/core/names.h"

namespace langevin::cli {
namespace {

constexpr double kGuidance = 2;  // where the model knows a null class

void read_interval(const std::string& text, GuidanceConfig& guidance) {
  const char *end = text.data() + text.size(), *comma = std::find(text.data(), end, ',');
  const auto lo = std::from_chars(text.data(), comma, guidance.interval_lo);
  const auto hi = comma == end ? lo : std::from_chars(comma + 1, end, guidance.interval_hi);
  if (comma == end || lo.ec != std::errc() || lo.ptr != comma || hi.ec != std::errc() || hi.ptr != end)
    fail_usage("--guidance-interval: needs LO,HI such as 0.2,5, got '{}'", one_line(text));
}

void check_guidance_numbers(const GuidanceConfig& guidance) {
  if (!std::isfinite(guidance.scale)) fail_usage("--guidance must be a finite number");
  if (!(guidance.rescale >= 0 && guidance.rescale <= 1))
    fail_usage("--guidance-rescale: needs 0 to 1, got {}", guidance.rescale);
  if (!(guidance.interval_lo >= 0 && guidance.interval_hi > guidance.interval_lo))
    fail_usage("--guidance-interval: needs LO,HI with 0 <= LO < HI, got {},{}", guidance.interval_lo,
               guidance.interval_hi);
}

}  // namespace

void add_condition(CLI::App& app, ConditionOptions& o) {
  app.add_option("--class", o.classes, "class by name or number; several (repeated or a,b) take turns; all")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--guidance", o.guidance, "strength of the class: 1 none, default 2");
  app.add_option("--guidance-rescale", o.rescale,
                 "0 (default) .. 1: how far the contrast that guidance adds is taken back; 0.7 is usual");
  app.add_option("--guidance-interval", o.interval,
                 "LO,HI: guide where sigma / alpha is within, such as 0.2,5");
  app.add_option("--negative", o.negative, "class to keep away from, in place of the null class");
  app.add_option("--threshold", o.threshold, "of x_0: clip (default), dynamic or none");
  app.add_option("--threshold-percentile", o.percentile,
                 "dynamic: of |x_0| in a sample, 50 to 100; default 99.5");
}

std::vector<int64_t> chosen_classes(const ConditionOptions& o, const ModelSpec& spec,
                                    const std::string& model) {
  const bool knows = nn::class_count(spec.network) > 0 || nn::classifier(spec.network) != nullptr;
  const auto known = knows ? static_cast<int64_t>(spec.labels.size()) : int64_t{0};
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

GuidanceConfig chosen_guidance(const ConditionOptions& o, const ModelSpec& spec, const std::string& model,
                               bool conditional) {
  GuidanceConfig guidance;
  if (!o.negative.empty() && conditional) guidance.null_label = class_index(spec, o.negative);
  const bool possible = conditional && (spec.null_class || !o.negative.empty());
  guidance.scale = o.guidance.value_or(possible ? kGuidance : 1);
  guidance.rescale = o.rescale.value_or(0);
  if (!o.interval.empty()) read_interval(o.interval, guidance);
  check_guidance_numbers(guidance);
  for (const auto& [option, given] : {std::pair{"--guidance", o.guidance.has_value()},
                                      {"--guidance-rescale", o.rescale.has_value()},
                                      {"--guidance-interval", !o.interval.empty()},
                                      {"--negative", !o.negative.empty()}}) {
    if (!given) continue;
    check(conditional, option, "{} was trained without classes; leave the option out", model);
    check(possible || guidance.scale == 1, option,
          "{} was trained without a null class (diffusion.label_dropout = 0), which guidance needs; leave "
          "the option out, or give --negative CLASS",
          model);
    if (guidance.scale == 1 && std::string(option) != "--guidance")
      fail_usage("{}: does nothing without guidance; give --guidance G other than 1", option);
  }
  return guidance;
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
  if (o.percentile) {
    if (threshold.kind != "dynamic") fail_usage("--threshold-percentile belongs to --threshold dynamic");
    // A share such as 0.995 would pass for the percentile of almost nothing.
    if (!(*o.percentile >= 50 && *o.percentile <= 100))
      fail_usage("--threshold-percentile: needs 50 to 100, such as 99.5, got {}", *o.percentile);
    threshold.quantile = *o.percentile / 100;
  }
  as_usage([&] { check_threshold(threshold); });
  return threshold;
}

nlohmann::json describe_guidance(const GuidanceConfig& guidance, const ModelSpec& spec) {
  nlohmann::json json{{"guidance", guidance.scale}};
  if (guidance.rescale > 0) json["guidance_rescale"] = guidance.rescale;
  if (!guides_everywhere(guidance)) json["guidance_interval"] = {guidance.interval_lo, guidance.interval_hi};
  if (guidance.null_label >= 0) json["negative"] = spec.labels.at(static_cast<size_t>(guidance.null_label));
  return json;
}

nlohmann::json describe_threshold(const ThresholdConfig& threshold) {
  nlohmann::json json{{"threshold", threshold.kind}};
  if (threshold.kind == "dynamic") json["threshold_percentile"] = threshold.quantile * 100;
  return json;
}

}  // namespace langevin::cli
