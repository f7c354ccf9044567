// What the page of `langevin eval --html` shows of samples and of a model.
#pragma once

#include <optional>
#include <vector>

#include "langevin/cli/eval_samples.h"
#include "langevin/eval/loss_by_time.h"
#include "langevin/eval/nearest.h"
#include "langevin/eval/page.h"

namespace langevin::cli {

/// Pictures of both kinds side by side.
PageSection pictures_section(const std::vector<Image>& samples, const std::vector<Image>& real);

/// Each figure with its error, next to what real pictures get, and what it means in a sentence.
PageSection figures_section(const std::vector<Figure>& figures, const FeatureNetworkInfo& network,
                            int64_t samples, int64_t real);

/// Samples above the real pictures nearest to them, the closest pairs first.
Image nearest_sheet(const std::vector<Image>& samples, const Memorisation& found, const PictureSource& real);
PageSection nearest_section(const Memorisation& found, const Image& sheet);

/// The model's noise: how much signal is left at each time, and a picture on its way to noise.
PageSection forward_section(const ModelSpec& spec, const HostArrayF& x0);

/// A few samples on their way out of noise. Draws them.
PageSection reverse_section(Engine& engine, SampleRequest request, int64_t calls);

/// Where the error of the network arises.
PageSection loss_section(const std::vector<TimeLoss>& losses, bool by_sigma);

/// Pictures of a set in a model's units, with the labels that the model knows them by (empty where it takes
/// none, or does not know them and has no null class).
struct RealBatch {
  HostArrayF x0;
  std::vector<int64_t> labels;
  bool usable = true;  // false: the model needs labels that the set has not
};
RealBatch real_batch(const PreparedSet& data, const ModelSpec& spec, int64_t count);

}  // namespace langevin::cli
