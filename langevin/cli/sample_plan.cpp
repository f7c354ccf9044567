#include "langevin/cli/sample_plan.h"

#include <algorithm>
#include <charconv>

#include "langevin/core/names.h"
#include "langevin/nn/network.h"

namespace langevin::cli {
namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  langevin sample runs/a -n 64 --out out --grid grid.png\n"
    "  langevin sample runs/a -n 1000 --class smileys-emotion,flags --guidance 3 --out faces.npz\n"
    "  langevin sample runs/a --class 3 --guidance 6 --guidance-rescale 0.7 --negative 8 --out out\n"
    "  langevin sample runs/a --sampler dpmsolver++ --steps 15 --spacing karras --out out\n"
    "  langevin sample runs/a --sampler ddpm --variance fixed_large --out out --animate denoise.gif "
    "--forward\n"
    "  langevin sample runs/a --inpaint face.png --mask hole.png -n 8 --out filled --grid filled.png\n"
    "  langevin sample runs/a --from sketch.png --strength 0.6 -n 8 --out drawn\n"
    "  langevin sample runs/a -n 50000 --shard 0/4 --out out     (this call makes the first quarter)\n"
    "  langevin sample --list-samplers\n"
    "Sample i of a seed is the same picture whatever -n, --batch and --shard are.";

/// Part I of N of samples 0..count-1.
void take_shard(const std::string& text, SamplePlan& plan) {
  if (text.empty()) return;
  int64_t part = -1, parts = 0;
  const char *end = text.data() + text.size(), *slash = std::find(text.data(), end, '/');
  const auto first = std::from_chars(text.data(), slash, part);
  const auto second = slash == end ? first : std::from_chars(slash + 1, end, parts);
  const bool whole = slash != end && first.ec == std::errc() && first.ptr == slash &&
                     second.ec == std::errc() && second.ptr == end;
  if (!whole || parts < 1 || parts > 1'000'000 || part < 0 || part >= parts) {
    fail_usage("--shard: needs I/N with 0 <= I < N, such as 0/4 .. 3/4, got '{}'", one_line(text));
  }
  const int64_t all = plan.count, each = all / parts, rest = all % parts;
  plan.first = part * each + std::min(part, rest);
  plan.count = each + (part < rest ? 1 : 0);
  check(plan.count > 0, "--shard", "{} samples in {} parts leave none for part {}", all, parts, part);
}

void read_init(const SampleOptions& o, SamplePlan& plan) {
  if (o.init.empty()) return;
  const SafetensorsFile file = SafetensorsFile::open(o.init);
  verify_checksum(file);
  HostArrayF x_T = file.to_float("x_T");
  const Shape &got = x_T.shape(), &s = plan.shape;
  check(got.size() == 4 && got[0] > 0 && Shape(got.begin() + 1, got.end()) == s, o.init,
        "x_T must be (N, {}, {}, {}) for this model, got {}", s[0], s[1], s[2], to_string(got));
  if (!o.count) plan.count = got[0];
  check(plan.count <= got[0], o.init, "x_T has {} samples, -n asks for {}", got[0], plan.count);
  plan.x_T = std::move(x_T);
}

/// What does not go together with pictures to begin with.
void check_edited(const SampleOptions& o, const SampleRequest& request) {
  if (!o.init.empty() && request.from)
    fail_usage("--init and --from both say where to start; give one of them");
  if (o.forward && request.from)
    fail_usage("--forward shows the way to pure noise; with --from the walk begins before it: leave it out");
  if (!o.animate.empty() && request.sampler.strength == 0)
    fail_usage("--animate: with --strength 0 there is no step to show");
  if (request.inpaint) as_usage([&] { check_alone(request.sampler.name); });
}

nlohmann::json describe(const SampleOptions& o, const ModelFile& model, const SamplePlan& plan) {
  nlohmann::json parameters{{"model", o.model},
                            {"hash", model.metadata("xxh3")},
                            {"sampler", describe_sampler(plan.request.sampler)},
                            {"seed", plan.request.seed},
                            {"version", LANGEVIN_VERSION}};
  parameters.update(describe_threshold(plan.request.threshold));
  if (plan.told) parameters.update(describe_guidance(plan.request.guidance, model.spec));
  if (plan.guided) {
    parameters["classifier"] = o.classifier.model;
    parameters["classifier_scale"] = plan.request.classifier_scale;
  }
  if (!o.init.empty()) parameters["init"] = o.init;
  parameters.update(describe_edits(o.edit, plan.request));
  return parameters;
}

/// Of an autoencoder: draws of its prior, decoded.
SamplePlan prior_plan(const SampleOptions& o, const ModelFile& model, SamplePlan plan) {
  check(
      model.spec.vae.has_value(), o.model,
      "is an autoencoder whose latents another model draws; `langevin forward` encodes and decodes with it");
  if (!(o.sampler == SamplerOptions{}) || !o.init.empty() || !o.animate.empty() ||
      !o.classifier.model.empty())
    fail_usage("an autoencoder draws from its prior: leave the sampler's options, --init and --animate out");
  chosen_classes(o.condition, model.spec, o.model);  // says so where one is asked for
  plan.request.seed = o.seed;
  plan.calls = 1;
  plan.parameters = {{"model", o.model},
                     {"hash", model.metadata("xxh3")},
                     {"sampler", {{"name", "prior"}}},
                     {"seed", o.seed},
                     {"version", LANGEVIN_VERSION}};
  return plan;
}

}  // namespace

void add_sample_options(CLI::App& app, SampleOptions& o) {
  app.add_option("model", o.model, "run folder, checkpoint or model file")->required();
  app.add_option("--out", o.out, "folder of PNG files, FILE.npz or FILE.safetensors")->required();
  app.add_option("-n,--count", o.count, "samples to make (default 16)");
  app.add_option("--seed", o.seed, "seed of the noise (default 0)")->check(seed_range());
  add_sampler(app, o.sampler);
  app.add_flag("--list-samplers", o.list_samplers,
               "print each sampler's order, calls and options, and nothing else")
      ->group("Sampler");
  add_condition(app, o.condition);
  add_classifier(app, o.classifier);
  app.add_option("--init", o.init, "FILE.safetensors whose tensor x_T is the noise to start from");
  add_edit(app, o.edit);
  app.add_option("--batch", o.batch, "samples at once; default: by their size")->check(CLI::Range(1, 65536));
  app.add_option("--grid", o.grid, "FILE.png: a sheet of the first samples (up to 400)");
  app.add_option("--animate", o.animate, "FILE.gif: the reverse process of the first samples (up to 64)");
  app.add_flag("--forward", o.forward, "let the animation begin with the forward process");
  app.add_option("--shard", o.shard, "I/N: only part I of N, counted from 0");
  app.add_flag("--force", o.force, "replace samples that are there already");
  add_backend(app, o.backend);
  add_common(app, o.common);
  app.footer(kExamples);
}

SamplePlan make_plan(const SampleOptions& o, const ModelFile& model, Console& console,
                     const ModelSpec* classifier) {
  const ModelSpec& spec = model.spec;
  SamplePlan plan;
  const Shape input = nn::input_shape(spec.network, 1);
  check(nn::classifier(spec.network) == nullptr, o.model,
        "is a classifier, which makes nothing; give it with --classifier beside a model that does");
  check(input.size() == 4, o.model, "is a model of sequences; sample makes pictures (see langevin forward)");
  each_condition(
      [&](const std::optional<nn::Condition>& taken) {
        check(!taken || !taken->required, o.model,
              "is conditioned on {}, which sample cannot give (see langevin forward)",
              taken ? taken->key : "");
      },
      nn::conditions(spec.network, 1));
  plan.shape = Shape(input.begin() + 1, input.end());
  plan.count = o.count.value_or(16);
  if (plan.count < 1 || plan.count > 1'000'000'000)
    fail_usage("-n: needs 1 to 10^9 samples, got {}", plan.count);
  read_init(o, plan);
  take_shard(o.shard, plan);

  const int64_t fitting = 64 * 32 * 32 / std::max<int64_t>(1, plan.shape[1] * plan.shape[2]);
  plan.batch = std::min(o.batch.value_or(std::clamp<int64_t>(fitting, 1, 64)), plan.count);
  if (nn::is_autoencoder(spec.network)) return prior_plan(o, model, std::move(plan));

  SampleRequest& request = plan.request;
  request.sampler = chosen_sampler(o.sampler, spec, edit_wish(o.edit, spec));
  request.threshold = chosen_threshold(o.condition, spec, request.sampler);
  request.seed = o.seed;
  plan.told = nn::class_count(spec.network) > 0;
  plan.guided = classifier != nullptr;
  plan.classes = plan.told || !plan.guided ? chosen_classes(o.condition, spec, o.model)
                                           : chosen_classes(o.condition, *classifier, o.classifier.model);
  request.guidance = chosen_guidance(o.condition, spec, o.model, plan.told);
  request.classifier_scale = chosen_scale(o.classifier);
  if (plan.guided && !o.condition.guidance)
    request.guidance.scale = 1;  // one of the two, unless both are asked for
  put_edits(o.edit, spec, plan.shape, console, request);
  check_edited(o, request);
  as_usage([&] { plan.calls = sample_calls(spec, request); });
  plan.parameters = describe(o, model, plan);
  return plan;
}

SampleRequest batch_request(const SamplePlan& plan, int64_t first, int64_t count) {
  SampleRequest request = plan.request;
  request.first_sample = static_cast<uint64_t>(first);
  request.count = count;
  std::vector<int64_t> classes;
  for (int64_t i = 0; i < count && !plan.classes.empty(); ++i)
    classes.push_back(plan.classes[static_cast<size_t>(first + i) % plan.classes.size()]);
  if (plan.told) request.labels = classes;
  if (plan.guided) request.guided_to = classes;
  if (plan.x_T) request.x_T = rows(*plan.x_T, first, count);
  if (request.from) request.from = repeat(*plan.request.from, count);
  if (request.inpaint) {
    request.inpaint->x0 = repeat(plan.request.inpaint->x0, count);
    request.inpaint->mask = repeat(plan.request.inpaint->mask, count);
  }
  return request;
}

}  // namespace langevin::cli
