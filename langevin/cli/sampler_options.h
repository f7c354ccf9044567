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

/// What was given.
struct SamplerOptions {
  std::optional<std::string> name, spacing, solver, variance, end, compat;
  std::optional<int64_t> steps, order, steps_offset, original_steps;
  std::optional<double> eta, churn, s_tmin, s_tmax, s_noise, rho, sigma_min, sigma_max, shift;
  bool no_lower_order_final = false, prk = false;

  bool operator==(const SamplerOptions&) const = default;
};

/// What a verb would have where the options leave it open.
struct SamplerWish {
  std::optional<int64_t> steps;     // else those usual for the sampler
  std::optional<std::string> name;  // else the model's own, or what suits its process
};

/// In a group of its own in --help.
void add_sampler(CLI::App& app, SamplerOptions& options);

/// The sampler that the options mean for a model: where they ask for no other, the one that the model came
/// with (ModelSpec::sampling) in all that they leave open. UsageError on what is out of range, or belongs to
/// another sampler or spacing and would do nothing.
SamplerConfig chosen_sampler(const SamplerOptions& options, const ModelSpec& spec,
                             const SamplerWish& wish = {});

/// Name, steps and whatever else makes a difference: kept with the samples.
nlohmann::json describe_sampler(const SamplerConfig& config);

/// --list-samplers: a table for people, or an array of objects.
std::string sampler_table();
nlohmann::json sampler_list();

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
