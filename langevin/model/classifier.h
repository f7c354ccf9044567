// Classifiers among the models (nn/classifier.h): what they are shown, and which models they can guide.
#pragma once

#include "langevin/diffusion/target.h"
#include "langevin/model/spec.h"

namespace langevin {

/// How a classifier is called on clean data x_0: with scale x_0, told `told`. A noisy one is told the lowest
/// level of noise.
Target::Input clean_input(const ModelSpec& classifier);

/// Error unless `classifier` (named so in messages) can guide `model`: it is a classifier of noisy pictures,
/// of the same size and values, trained on the same noise, and knows the same classes if the model knows any.
void check_guides(const ModelSpec& classifier, const std::string& name, const ModelSpec& model);

}  // namespace langevin
