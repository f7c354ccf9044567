// --class, --guidance, --threshold: what samples are asked to be, and how strongly.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "langevin/cli/command.h"
#include "langevin/model/spec.h"
#include "langevin/sample/sampler.h"
#include "langevin/sample/threshold.h"

namespace langevin::cli {

struct ConditionOptions {
  std::vector<std::string> classes;
  std::optional<double> guidance;
  std::string threshold;
};

void add_condition(CLI::App& app, ConditionOptions& options);

/// The classes that samples take turns in; all of the model's where none are given, none for a model without.
/// `model` is what the user called it, for messages. Error: the model knows no such class.
std::vector<int64_t> chosen_classes(const ConditionOptions& options, const ModelSpec& spec,
                                    const std::string& model);
/// 1 for none. Error: the model cannot be guided; UsageError: the number is none.
double chosen_guidance(const ConditionOptions& options, const ModelSpec& spec, const std::string& model,
                       bool conditional);
/// That of the model's own sampler (ModelSpec::sampling) where `sampler` is it. compat_diffusers: eps stays
/// the network's own.
ThresholdConfig chosen_threshold(const ConditionOptions& options, const ModelSpec& spec,
                                 const SamplerConfig& sampler);

}  // namespace langevin::cli
