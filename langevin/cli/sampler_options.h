// --sampler, --steps and what belongs to a sampler: shared by the verbs that walk from noise to data.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "langevin/cli/command.h"
#include "langevin/model/spec.h"
#include "langevin/sample/sampler.h"

namespace langevin::cli {

struct SamplerOptions {
  std::optional<std::string> name, spacing;
  std::optional<int64_t> steps, order;
  std::optional<double> eta, churn;
  std::string compat, variance;
};

void add_sampler(CLI::App& app, SamplerOptions& options);

/// The sampler that the options mean for a model: where they ask for no other, the one that the model came
/// with (ModelSpec::sampling) in all that they leave open. UsageError on what is out of range or belongs to
/// another sampler.
SamplerConfig chosen_sampler(const SamplerOptions& options, const ModelSpec& spec);

/// Name, steps and whatever else makes a difference: kept with the samples.
nlohmann::json describe_sampler(const SamplerConfig& config);

/// What the library refuses within is an option that the caller chose: wrong usage.
template <class F>
void as_usage(F&& check_options) {
  try {
    check_options();
  } catch (const Error& e) {
    throw UsageError(e.what());
  }
}

}  // namespace langevin::cli
