// --classifier, --classifier-scale: samples guided by a classifier's gradient.
#pragma once

#include <optional>
#include <string>

#include "langevin/cli/command.h"
#include "langevin/cli/engine_options.h"

namespace langevin::cli {

struct ClassifierOptions {
  std::string model;  // empty: none
  std::optional<double> scale;
};

void add_classifier(CLI::App& app, ClassifierOptions& options);

/// How strongly, where there is one. UsageError on a number that is none, and on a scale of no classifier.
double chosen_scale(const ClassifierOptions& options);

/// The classifier, opened and known to fit `model`; nothing where none is asked for. Sets the backend to the
/// one that has gradients. Error: what check_guides refuses; UsageError: a backend or precision without them.
std::optional<ModelFile> open_classifier(const ClassifierOptions& options, const ModelSpec& model,
                                         BackendOptions& backend, Console& console);

}  // namespace langevin::cli
