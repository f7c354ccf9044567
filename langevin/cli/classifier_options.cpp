#include "langevin/cli/classifier_options.h"

#include <cmath>

#include "langevin/model/classifier.h"

namespace langevin::cli {

void add_classifier(CLI::App& app, ClassifierOptions& o) {
  app.add_option("--classifier", o.model,
                 "classifier to be guided by (langevin train --task classifier), on --backend torch");
  app.add_option("--classifier-scale", o.scale, "how strongly: 1 (default) by Bayes' rule, above it more");
}

double chosen_scale(const ClassifierOptions& o) {
  if (o.scale && o.model.empty()) fail_usage("--classifier-scale: give --classifier MODEL too");
  if (!std::isfinite(o.scale.value_or(1))) fail_usage("--classifier-scale must be a finite number");
  return o.model.empty() ? 0 : o.scale.value_or(1);
}

std::optional<ModelFile> open_classifier(const ClassifierOptions& o, const ModelSpec& model,
                                         BackendOptions& backend, Console& console) {
  chosen_scale(o);
  if (o.model.empty()) return std::nullopt;
  if (backend.backend == "runtime")
    fail_usage("--backend runtime computes no gradients, which --classifier needs; use --backend torch");
  if (backend.engine.precision == "int8")
    fail_usage("--precision int8 has no gradients, which --classifier needs; use fp32 or bf16");
  backend.backend = "torch";
  ModelFile classifier = open_named_model(o.model, console);
  check_guides(classifier.spec, o.model, model);
  return classifier;
}

}  // namespace langevin::cli
