#include "langevin/cli/inversion_options.h"

#include <algorithm>

namespace langevin::cli {

void add_inversion(CLI::App& app, InversionChoice& o) {
  app.add_option("--steps", o.steps, "steps of ddim up, and down again (default 100)");
  app.add_option(
      "--spacing", o.spacing,
      "trailing (default), leading, linspace, uniform, karras (default of EDM), exponential, log_snr");
  app.add_option("--iterations", o.options.iterations,
                 "calls a step of the way up (default 3): more undo ddim's steps more exactly");
}

void check_inversion(const InversionChoice& o) {
  if (o.steps < 1) fail_usage("--steps: needs 1 or more, got {}", o.steps);
  if (o.options.iterations < 1 || o.options.iterations > 1000)
    fail_usage("--iterations: needs 1 to 1000, got {}", o.options.iterations);
}

void set_inversion(const InversionChoice& o, const ConditionOptions& condition, const ModelSpec& spec,
                   const std::string& model, int64_t count, Walk& walk) {
  const Target target = target_of(spec);
  const NoisePath& path = target.path();
  SamplerOptions sampler;
  sampler.spacing = o.spacing.empty() ? usual_spacing(path) : o.spacing;
  const auto whole = spacings();
  const bool timesteps =
      path.is_discrete() && std::find(whole.begin(), whole.end(), *sampler.spacing) != whole.end();
  // Not the sampler that the model came with, but the one whose steps are undone: ddim under the name that it
  // has on this grid.
  sampler.name = timesteps ? "ddim" : path.at(path.t_max).alpha > 0 ? "euler" : "flow_euler";
  sampler.steps = o.steps;
  if (timesteps) sampler.eta = 0;
  if (path.is_discrete()) sampler.compat = "none";
  walk.request.sampler = chosen_sampler(sampler, spec);
  ConditionOptions own = condition;
  if (own.threshold.empty()) own.threshold = "none";
  walk.request.threshold = chosen_threshold(own, spec, walk.request.sampler);
  walk.labels = walk_labels(own, spec, model, count);
  if (!own.guidance && !walk.labels.empty()) own.guidance = 1;
  walk.request.guidance = walk_guidance(own, spec, model, !walk.labels.empty());
  walk.batch = usual_batch(walk.shape);
}

}  // namespace langevin::cli
