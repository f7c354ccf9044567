// --from, --strength, --inpaint, --mask: samples that begin with a picture.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "langevin/cli/sampler_options.h"
#include "langevin/model/engine.h"

namespace langevin::cli {

struct EditOptions {
  std::string from, inpaint, mask;
  std::optional<double> strength;
  std::optional<int64_t> resample, jump;
  bool strict = false;
};

void add_edit(CLI::App& app, EditOptions& options);
/// UsageError on options that lack their other half or are out of range.
void check_edit(const EditOptions& options);

/// Steps and sampler where the options leave them open: what RePaint walks many times over are few steps, and
/// on timesteps of its paper's sampler.
SamplerWish edit_wish(const EditOptions& options, const ModelSpec& spec);

/// Reads the pictures into the request, as single samples (batch_request repeats them), and puts the strength
/// into its sampler, which is chosen by now.
void put_edits(const EditOptions& options, const ModelSpec& spec, const Shape& shape, Console& console,
               SampleRequest& request);

/// What of them makes a difference: kept with the samples.
nlohmann::json describe_edits(const EditOptions& options, const SampleRequest& request);

}  // namespace langevin::cli
