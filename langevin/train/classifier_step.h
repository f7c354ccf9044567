// Training of a classifier that knows how noisy its pictures are (nn/classifier.h): Dhariwal & Nichol 2021,
// arXiv:2105.05233, section 4.1.
#pragma once

#include "langevin/core/signals.h"
#include "langevin/train/classifier_score.h"
#include "langevin/train/training_step.h"

namespace langevin {

/// Forward and backward of one batch, each sample at the time drawn for it; the loss is the cross-entropy.
/// Gradients are added to the leaves. `part` counts within the step.
PartResult classifier_part(TorchNetwork& network, const TrainingObjective& objective, const Batch& batch,
                           int64_t step, int64_t part);

/// On every example of `data` once as clean_input has it and, of a noisy classifier, once in each quarter of
/// the times; what they are noised with depends on the objective's seed alone. `stop` ends it early, with
/// count 0.
ClassifierScore score_classifier(TorchNetwork& network, const TrainingObjective& objective,
                                 const ModelSpec& spec, const Dataset& data, const StopSignal& stop);

}  // namespace langevin
