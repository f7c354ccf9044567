// --class, --guidance, --threshold: what samples are asked to be, and how strongly.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "langevin/cli/command.h"
#include "langevin/model/spec.h"
#include "langevin/sample/guidance.h"
#include "langevin/sample/sampler.h"
#include "langevin/sample/threshold.h"

namespace langevin::cli {

struct ConditionOptions {
  std::vector<std::string> classes;
  std::string negative;
  std::optional<double> guidance, rescale;
  std::string interval;  // LO,HI
  std::string threshold;
  std::optional<double> percentile;
};

void add_condition(CLI::App& app, ConditionOptions& options);

/// The classes that samples take turns in; all of the model's where none are given, none for a model without.
/// `model` is what the user called it, for messages. Error: the model knows no such class.
std::vector<int64_t> chosen_classes(const ConditionOptions& options, const ModelSpec& spec,
                                    const std::string& model);
/// Error: the model cannot be guided; UsageError: a number is out of range or would do nothing.
GuidanceConfig chosen_guidance(const ConditionOptions& options, const ModelSpec& spec,
                               const std::string& model, bool conditional);
/// That of the model's own sampler (ModelSpec::sampling) where `sampler` is it. compat_diffusers: eps stays
/// the network's own.
ThresholdConfig chosen_threshold(const ConditionOptions& options, const ModelSpec& spec,
                                 const SamplerConfig& sampler);

/// What of them makes a difference: kept with the samples.
nlohmann::json describe_guidance(const GuidanceConfig& guidance, const ModelSpec& spec);
nlohmann::json describe_threshold(const ThresholdConfig& threshold);

}  // namespace langevin::cli
