// How pictures are turned into noise, for the verbs invert and interpolate.
#pragma once

#include <string>

#include "langevin/cli/sampler_options.h"
#include "langevin/cli/walk.h"

namespace langevin::cli {

struct InversionChoice {
  int64_t steps = 100;
  std::string spacing;  // empty: the usual one of the model's process
  InversionOptions options{.iterations = 3};
};

/// --steps, --spacing, --iterations.
void add_inversion(CLI::App& app, InversionChoice& choice);
/// UsageError on numbers out of range.
void check_inversion(const InversionChoice& choice);

/// Sampler, threshold, labels and guidance of walks up and down over the same steps. No threshold and no
/// guidance unless they are asked for: both undo the inversion. UsageError and Error as the options say.
void set_inversion(const InversionChoice& choice, const ConditionOptions& condition, const ModelSpec& spec,
                   const std::string& model, int64_t count, Walk& walk);

}  // namespace langevin::cli
