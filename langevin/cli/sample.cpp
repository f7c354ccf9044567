// langevin sample: options to a plan, then batch after batch through the engine into the outputs.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <optional>

#include "langevin/cli/animation.h"
#include "langevin/cli/command.h"
#include "langevin/cli/engine_options.h"
#include "langevin/cli/samples_out.h"
#include "langevin/cli/sheet.h"
#include "langevin/cli/wing.h"
#include "langevin/core/atomic_file.h"
#include "langevin/core/names.h"
#include "langevin/core/signals.h"
#include "langevin/model/pictures.h"
#include "langevin/nn/network.h"

namespace langevin::cli {
namespace {

namespace fs = std::filesystem;
constexpr int64_t kSheet = 400;  // pictures of --grid
constexpr double kGuidance = 2;  // where the model knows a null class

struct SampleOptions {
  std::string model, out, grid, animate, init, shard, compat, variance;
  std::optional<int64_t> count, steps, batch;
  uint64_t seed = 0;
  SamplerConfig sampler;
  std::vector<std::string> classes;
  std::optional<double> guidance;
  std::string threshold;
  bool forward = false, force = false;
  BackendOptions backend;
  CommonOptions common;
};

constexpr const char* kExamples =
    "Examples:\n"
    "  langevin sample runs/a -n 64 --out out --grid grid.png\n"
    "  langevin sample runs/a -n 1000 --class smileys-emotion,flags --guidance 3 --out faces.npz\n"
    "  langevin sample runs/a --sampler ddpm --variance fixed_large --out out --animate denoise.gif "
    "--forward\n"
    "  langevin sample runs/a -n 50000 --shard 0/4 --out out     (this call makes the first quarter)\n"
    "Sample i of a seed is the same picture whatever -n, --batch and --shard are.";

std::vector<std::string> other_samplers() {
  std::vector<std::string> names = sampler_names();
  std::erase(names, "ddim");
  return names;
}

/// Steps where none are asked for.
int64_t usual_steps(const std::string& sampler, int64_t T) {
  return sampler == "ddpm" ? T : std::min<int64_t>(sampler == "lcm" ? 4 : 50, T);
}

void declare_process(CLI::App& app, SampleOptions& o) {
  app.add_option("--sampler", o.sampler.name,
                 fmt::format("ddim (default), {}", fmt::join(other_samplers(), ", ")));
  app.add_option(
      "--steps", o.steps,
      "steps, one call of the network each (heun, kdpm2, flow_heun two, .._single its order); default "
      "50, ddpm: all timesteps, lcm: 4");
  app.add_option("--order", o.sampler.order, "of dpmsolver.., unipc, deis (1 to 3) and lms (1 to 4)");
  app.add_option("--eta", o.sampler.eta, "ddim: 0 deterministic (default) .. 1 as noisy as ddpm");
  app.add_option(
      "--spacing", o.sampler.spacing,
      "trailing (default), leading, linspace; but for ddim and ddpm also karras, exponential, log_snr");
  app.add_option("--churn", o.sampler.s_churn,
                 "euler, heun: noise put back before each step, 0 (default) none");
  app.add_option("--variance", o.variance, "ddpm: fixed_small (default) or fixed_large");
  app.add_option("--class", o.classes, "class by name or number; several (repeated or a,b) take turns; all")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--guidance", o.guidance, "strength of the class: 1 none, default 2");
  app.add_option("--threshold", o.threshold, "of x_0: clip (default), dynamic or none");
  app.add_option("--compat", o.compat, "diffusers: step exactly as that library does");
  app.add_option("--init", o.init, "FILE.safetensors whose tensor x_T is the noise to start from");
}

void declare(CLI::App& app, SampleOptions& o) {
  app.add_option("model", o.model, "run folder, checkpoint or model file")->required();
  app.add_option("--out", o.out, "folder of PNG files, FILE.npz or FILE.safetensors")->required();
  app.add_option("-n,--count", o.count, "samples to make (default 16)");
  app.add_option("--seed", o.seed, "seed of the noise (default 0)")->check(seed_range());
  declare_process(app, o);
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

/// All that is decided before the network runs.
struct SamplePlan {
  SampleRequest request;         // of all; each batch sets first_sample, count, labels, x_T
  std::vector<int64_t> classes;  // take turns by the number of the sample; empty: unconditional
  std::optional<HostArrayF> x_T;
  Shape shape;  // (C,H,W)
  int64_t first = 0, count = 0, batch = 1;
  nlohmann::json parameters;
};

std::vector<int64_t> chosen_classes(const SampleOptions& o, const ModelSpec& spec) {
  const int64_t known = nn::class_count(spec.network) == 0 ? 0 : static_cast<int64_t>(spec.labels.size());
  std::vector<int64_t> chosen;
  if (known == 0) {
    check(o.classes.empty(), "--class", "{} was trained without classes; leave the option out", o.model);
    return chosen;
  }
  for (const std::string& text : o.classes) {
    const bool whole = std::find(spec.labels.begin(), spec.labels.end(), text) != spec.labels.end();
    size_t begin = 0;
    while (begin <= text.size()) {
      const size_t end = whole ? text.size() : std::min(text.find(',', begin), text.size());
      const std::string name = text.substr(begin, end - begin);
      const bool all = name == "all" && !whole;
      for (int64_t i = 0; all && i < known; ++i) chosen.push_back(i);
      if (!all) chosen.push_back(class_index(spec, name));
      begin = end + 1;
    }
  }
  for (int64_t i = 0; o.classes.empty() && i < known; ++i) chosen.push_back(i);
  return chosen;
}

/// What the library refuses here is an option that the caller chose: wrong usage.
template <class F>
void as_usage(F&& check_options) {
  try {
    check_options();
  } catch (const Error& e) {
    throw UsageError(e.what());
  }
}

double chosen_guidance(const SampleOptions& o, const ModelSpec& spec, bool conditional) {
  if (!o.guidance) return conditional && spec.null_class ? kGuidance : 1;
  if (!std::isfinite(*o.guidance)) fail_usage("--guidance must be a finite number");
  check(conditional, "--guidance", "{} was trained without classes; leave the option out", o.model);
  check(spec.null_class || *o.guidance == 1, "--guidance",
        "{} was trained without a null class (diffusion.label_dropout = 0), which guidance needs; leave the "
        "option out",
        o.model);
  return *o.guidance;
}

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

nlohmann::json describe(const SampleOptions& o, const ModelFile& model, const SamplePlan& plan) {
  const SamplerConfig& s = plan.request.sampler;
  nlohmann::json sampler{{"name", s.name}, {"steps", s.steps}, {"spacing", s.spacing}};
  if (s.name == "ddim") sampler["eta"] = s.eta;
  if (s.name == "ddpm") sampler["variance"] = s.variance;
  if (sampler_order(s) > 1) sampler["order"] = sampler_order(s);
  if (s.s_churn > 0) sampler["churn"] = s.s_churn;
  if (s.compat_diffusers) sampler["compat"] = "diffusers";
  const auto hash = model.file.metadata().find("xxh3");
  nlohmann::json parameters{
      {"model", o.model},          {"hash", hash == model.file.metadata().end() ? "" : hash->second},
      {"sampler", sampler},        {"threshold", plan.request.threshold.kind},
      {"seed", plan.request.seed}, {"version", LANGEVIN_VERSION}};
  if (!plan.classes.empty()) parameters["guidance"] = plan.request.guidance;
  if (!o.init.empty()) parameters["init"] = o.init;
  return parameters;
}

SamplePlan make_plan(const SampleOptions& o, const ModelFile& model) {
  const ModelSpec& spec = model.spec;
  SamplePlan plan;
  const Shape input = nn::input_shape(spec.network, 1);
  check(input.size() == 4, o.model, "is a model of sequences; sample makes pictures (see langevin forward)");
  plan.shape = Shape(input.begin() + 1, input.end());
  plan.count = o.count.value_or(16);
  if (plan.count < 1 || plan.count > 1'000'000'000)
    fail_usage("-n: needs 1 to 10^9 samples, got {}", plan.count);
  read_init(o, plan);
  take_shard(o.shard, plan);

  SampleRequest& request = plan.request;
  request.sampler = o.sampler;
  const int64_t T = Schedule(spec.schedule).T();
  request.sampler.steps = o.steps.value_or(usual_steps(o.sampler.name, T));
  if (o.steps.value_or(1) < 1) fail_usage("--steps: needs 1 or more, got {}", *o.steps);
  if (!o.compat.empty() && request.sampler.name == "ddpm")
    fail_usage("--compat: ddpm has one way of stepping here; leave the option out");
  if (!o.compat.empty() && o.compat != "diffusers")
    fail_usage("--compat: knows diffusers, not '{}'", o.compat);
  request.sampler.compat_diffusers = o.compat == "diffusers";
  as_usage([&] { check_sampler(request.sampler, T); });
  if (!o.variance.empty()) {
    if (request.sampler.name != "ddpm")
      fail_usage("--variance belongs to ddpm; the noise of ddim is chosen by --eta");
    as_usage([&] { request.sampler.variance = to_string(ddpm_variance_type(o.variance)); });
  }
  if (request.sampler.name != "ddim" && request.sampler.eta != 0)
    fail_usage("--eta belongs to ddim; ddpm's noise is chosen by --variance");
  if (request.sampler.name != "euler" && request.sampler.name != "heun" && request.sampler.s_churn != 0)
    fail_usage("--churn belongs to euler and heun");
  request.threshold.kind = !o.threshold.empty() ? o.threshold : spec.clip ? "clip" : "none";
  // A clipped x_0 with the network's own eps is a step in no consistent direction, and guidance clips at
  // every step: eps follows the clipped x_0, as in the papers' own code. diffusers keeps the network's.
  request.threshold.rederive_eps = !request.sampler.compat_diffusers;
  as_usage([&] { check_threshold(request.threshold); });
  request.seed = o.seed;
  plan.classes = chosen_classes(o, spec);
  request.guidance = chosen_guidance(o, spec, !plan.classes.empty());
  const int64_t fitting = 64 * 32 * 32 / std::max<int64_t>(1, plan.shape[1] * plan.shape[2]);
  plan.batch = std::min(o.batch.value_or(std::clamp<int64_t>(fitting, 1, 64)), plan.count);
  plan.parameters = describe(o, model, plan);
  return plan;
}

/// The request for samples first .. first + count - 1 of the run.
SampleRequest batch_request(const SamplePlan& plan, int64_t first, int64_t count) {
  SampleRequest request = plan.request;
  request.first_sample = static_cast<uint64_t>(first);
  request.count = count;
  for (int64_t i = 0; i < count && !plan.classes.empty(); ++i) {
    request.labels.push_back(plan.classes[static_cast<size_t>(first + i) % plan.classes.size()]);
  }
  if (plan.x_T) request.x_T = rows(*plan.x_T, first, count);
  return request;
}

struct Outputs {
  std::unique_ptr<SampleOutput> samples;
  std::optional<Animation> animation;
  std::vector<Image> sheet;
};

/// Samples in order; Error when `stop` came first.
void run(const SamplePlan& plan, const ModelSpec& spec, Engine& engine, bool sheet, Outputs& out,
         Console& console, const StopSignal& stop) {
  const int64_t steps = sampler_calls(plan.request.sampler),
                batches = (plan.count + plan.batch - 1) / plan.batch;
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
    out.samples->add(x0, request.labels);
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
    out.animation.emplace(spec, plan.shape, plan.count, sampler_calls(plan.request.sampler), o.forward);
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
  SampleOptions o;
  CLI::App app("Make new samples with a model.", "langevin sample");
  declare(app, o);
  if (!parse(app, arguments)) return;
  if (!o.animate.empty() && fs::path(o.animate).extension() != ".gif")
    fail_usage("--animate writes a GIF: '{}' must end in .gif", o.animate);
  if (o.forward && o.animate.empty())
    fail_usage("--forward is part of the animation: give --animate FILE.gif too");
  check_backend(o.backend);

  const StopSignal stop;
  Console console(o.common.level());
  ModelFile model = open_named_model(o.model, console);
  const ModelSpec spec = model.spec;
  const SamplePlan plan = make_plan(o, model);
  const auto engine = open_engine(std::move(model), o.backend, console);
  Outputs out = open_outputs(o, plan, spec);  // after what may fail: an empty folder is no result
  const auto start = std::chrono::steady_clock::now();
  run(plan, spec, *engine, !o.grid.empty(), out, console, stop);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!o.grid.empty()) write_sheet(o.grid, out.sheet);
  if (out.animation) out.animation->write(o.animate);
  report(o, plan, engine->name(), seconds, console);
}

}  // namespace langevin::cli
