// langevin sample: batch after batch through the engine into the outputs.
#include <algorithm>
#include <chrono>
#include <optional>

#include "langevin/cli/animation.h"
#include "langevin/cli/command.h"
#include "langevin/cli/engine_options.h"
#include "langevin/cli/sample_plan.h"
#include "langevin/cli/samples_out.h"
#include "langevin/cli/sheet.h"
#include "langevin/core/atomic_file.h"
#include "langevin/core/signals.h"
#include "langevin/model/pictures.h"

namespace langevin::cli {
namespace {

namespace fs = std::filesystem;
constexpr int64_t kSheet = 400;  // pictures of --grid

struct Outputs {
  std::unique_ptr<SampleOutput> samples;
  std::optional<Animation> animation;
  std::vector<Image> sheet;
};

/// Samples in order; Error when `stop` came first.
void run(const SamplePlan& plan, const ModelSpec& spec, Engine& engine, bool sheet, Outputs& out,
         Console& console, const StopSignal& stop) {
  const int64_t steps = plan.calls, batches = (plan.count + plan.batch - 1) / plan.batch;
  Progress progress(console, "sampling", "images", batches * steps);
  for (int64_t batch = 0; batch < batches; ++batch) {
    const int64_t done = batch * plan.batch, count = std::min(plan.batch, plan.count - done);
    const SampleRequest request = batch_request(plan, plan.first + done, count);
    const auto observer = [&](const StepInfo<HostArrayF>& info) {
      if (out.animation) out.animation->observe(done, info);
      progress.update(batch * steps + info.step + 1, done + count * (info.step + 1) / steps);
      return !stop.requested();
    };
    const HostArrayF x0 = engine.sample(request, observer);
    if (stop.requested()) {
      progress.finish();
      fail("stopped after {} of {} samples: {}", done, plan.count, out.samples->left_behind(done));
    }
    out.samples->add(x0, plan.told ? request.labels : request.guided_to);
    if (out.animation) out.animation->finish_batch(done, x0);
    for (int64_t i = 0; sheet && i < count && done + i < kSheet; ++i) {
      out.sheet.push_back(to_image(x0.sample(i), plan.shape, spec));
    }
  }
  progress.finish();
  out.samples->finish();
}

Outputs open_outputs(const SampleOptions& o, const SamplePlan& plan, const ModelSpec& spec) {
  if (!o.grid.empty()) check_sheet(o.grid, plan.shape[0]);
  for (const std::string& file : {o.grid, o.animate}) {
    if (!file.empty()) check_writable(file);
  }
  Outputs out;
  if (!o.animate.empty()) {
    out.animation.emplace(spec, plan.shape, plan.count, plan.calls, o.forward);
  }
  out.samples = open_output({o.out, spec, plan.shape, plan.first, plan.count, !plan.classes.empty(),
                             !o.shard.empty(), o.force, plan.parameters});
  return out;
}

void report(const SampleOptions& o, const SamplePlan& plan, const std::string& engine, double seconds,
            Console& console) {
  if (o.common.json) {
    nlohmann::json json = plan.parameters;
    json.update({{"out", o.out},
                 {"count", plan.count},
                 {"first", plan.first},
                 {"batch", plan.batch},
                 {"engine", engine},
                 {"seconds", seconds},
                 {"images_per_second", static_cast<double>(plan.count) / std::max(seconds, 1e-9)}});
    if (!plan.classes.empty()) json["classes"] = plan.classes;
    if (!o.grid.empty()) json["grid"] = o.grid;
    if (!o.animate.empty()) json["animate"] = o.animate;
    return print_json(json);
  }
  console.info(fmt::format("{} samples in {} ({}, {:.2f} a second)", plan.count, o.out,
                           format_duration(seconds),
                           static_cast<double>(plan.count) / std::max(seconds, 1e-9)));
  if (!o.grid.empty()) console.info("grid: " + o.grid);
  if (!o.animate.empty()) console.info("animation: " + o.animate);
}

}  // namespace

void sample_verb(const Arguments& arguments) {
  if (std::find(arguments.begin(), arguments.end(), "--list-samplers") != arguments.end()) {
    const bool json = std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
    return json ? print_json(sampler_list()) : print(sampler_table());
  }
  SampleOptions o;
  CLI::App app("Make new samples with a model.", "langevin sample");
  add_sample_options(app, o);
  if (!parse(app, arguments)) return;
  if (!o.animate.empty() && fs::path(o.animate).extension() != ".gif")
    fail_usage("--animate writes a GIF: '{}' must end in .gif", o.animate);
  if (o.forward && o.animate.empty())
    fail_usage("--forward is part of the animation: give --animate FILE.gif too");
  check_backend(o.backend);
  check_edit(o.edit);

  const StopSignal stop;
  Console console(o.common.level());
  ModelFile model = open_named_model(o.model, console);
  ModelSpec spec = model.spec;
  std::optional<ModelFile> classifier = open_classifier(o.classifier, spec, o.backend, console);
  const SamplePlan plan = make_plan(o, model, console, classifier ? &classifier->spec : nullptr);
  const auto engine = open_engine(std::move(model), o.backend, console);
  if (classifier && spec.labels.empty())
    spec.labels = classifier->spec.labels;  // what the samples are called
  if (classifier) engine->set_classifier(std::move(*classifier));
  Outputs out = open_outputs(o, plan, spec);  // after what may fail: an empty folder is no result
  const auto start = std::chrono::steady_clock::now();
  run(plan, spec, *engine, !o.grid.empty(), out, console, stop);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!o.grid.empty()) write_sheet(o.grid, out.sheet);
  if (out.animation) out.animation->write(o.animate);
  report(o, plan, engine->name(), seconds, console);
}

}  // namespace langevin::cli
