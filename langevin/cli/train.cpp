// langevin train: from options to a TrainJob; the work is train/trainer.h's.
#include "langevin/train/trainer.h"

#include <optional>

#include "langevin/cli/command.h"
#include "langevin/cli/wing.h"
#include "langevin/core/atomic_file.h"
#include "langevin/core/signals.h"

namespace langevin::cli {
namespace {

namespace fs = std::filesystem;
constexpr size_t kConfigLimit = size_t{4} << 20;

struct TrainOptions {
  std::string data, out, preset, config, task;
  std::vector<std::string> set;  // key=value
  std::optional<double> minutes;
  std::optional<int64_t> steps, batch, threads, seed;
  std::string precision, device;
  bool recompute = false, strict = false, validate = false, resume = false, keys = false;
  CommonOptions common;
};

constexpr const char* kExamples =
    "Examples:\n"
    "  langevin train --data data/emoji --out runs/a --preset small --minutes 5\n"
    "  langevin train --out runs/a --resume --minutes 10       (10 in all, from the last checkpoint)\n"
    "  langevin train --data photos/ --out runs/b --set data.size=64 --set optimizer.lr=5e-4 --steps 20000\n"
    "  langevin train --data photos/ --out runs/c --task classifier --minutes 5\n"
    "  langevin train --data photos/ --out runs/d --task vae --minutes 5 --validate\n"
    "  langevin train --keys                                   (every key of --set and --config)\n"
    "Training ends by --steps or --minutes, whichever is given; with both, by what comes first.\n"
    "Ctrl-C saves and ends; --resume goes on as if nothing had happened.";

void declare(CLI::App& app, TrainOptions& o) {
  app.add_option("--data", o.data, "pictures: a folder, .tar, .tar.gz, .zip, IDX, CIFAR, .npy or .npz");
  app.add_option("--out", o.out, "run folder to make, or to continue with --resume");
  auto* preset = app.add_option("--preset", o.preset, "tiny, small (default) or ddpm-cifar10");
  app.add_option("--task", o.task, "diffusion (default), classifier (of labelled data, for guidance) or vae");
  app.add_option("--config", o.config, "TOML file of keys; its key `preset` is applied first")
      ->excludes(preset);
  app.add_option("--set", o.set, "KEY=VALUE, one key of the configuration (repeatable)")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--steps", o.steps, "optimizer steps in all");
  app.add_option("--minutes", o.minutes, "minutes of training in all");
  app.add_option("--batch", o.batch, "images a step");
  app.add_option("--precision", o.precision, "auto, fp32 or bf16");
  app.add_option("--device", o.device, "auto, cpu or cuda");
  app.add_option("--threads", o.threads, "threads of computation; 0: one a core");
  app.add_option("--seed", o.seed, "seed of weights, order, noise and augmentation");
  app.add_flag("--recompute", o.recompute, "less memory, more time: compute blocks again for the gradient");
  app.add_flag("--validate", o.validate,
               "hold out a twentieth of the examples and measure the bound on them (validate.*)");
  app.add_flag("--strict", o.strict, "refuse damaged pictures instead of skipping them (data.strict)");
  app.add_flag("--resume", o.resume, "continue the run folder from its newest whole checkpoint");
  app.add_flag("--keys", o.keys, "list all configuration keys with default, range and meaning");
  add_common(app, o.common);
  app.footer(kExamples);
}

/// Values by key, as --set takes them.
void apply_direct(Schema& schema, const TrainOptions& o) {
  const auto number = [&](const char* key, const auto& value) {
    if (value) schema.set(fmt::format("{}={}", key, *value));
  };
  const auto text = [&](const char* key, const std::string& value) {
    if (!value.empty()) schema.set(fmt::format("{}={}", key, nlohmann::json(value).dump()));
  };
  text("data.path", o.data);
  text("train.task", o.task);
  if (o.recompute) schema.set("train.recompute=true");
  if (o.strict) schema.set("data.strict=true");
  if (o.validate) schema.set("validate.share=0.05");
  number("train.steps", o.steps);
  number("train.minutes", o.minutes);
  number("train.batch", o.batch);
  text("train.precision", o.precision);
  text("train.device", o.device);
  number("train.threads", o.threads);
  number("train.seed", o.seed);
}

/// The preset that a configuration starts from: its own key `preset`, else the default.
std::string preset_of(const std::string& toml, const std::string& source) {
  TrainJob any;
  any.recipe.preset.clear();
  job_schema(any).load_toml(toml, source);
  return any.recipe.preset.empty() ? Recipe{}.preset : any.recipe.preset;
}

/// Preset or the run's own configuration, then --config, --set and the options, each over the one before.
/// Where something of these says when training ends, what stood there before does not count.
TrainJob make_job(const TrainOptions& o) {
  TrainJob job;
  std::string config;
  if (o.resume) {
    const fs::path path = fs::path(o.out) / "config.toml";
    const std::string own = read_file(path, kConfigLimit);
    job = preset_job(preset_of(own, path.string()));
    job_schema(job).load_toml(own, path.string());
  }
  if (!o.config.empty()) config = read_file(o.config, kConfigLimit);
  if (!o.resume) {
    job = preset_job(!o.preset.empty()   ? o.preset
                     : !o.config.empty() ? preset_of(config, o.config)
                                         : Recipe{}.preset);
  }
  const int64_t steps = std::exchange(job.recipe.steps, 0);
  const double minutes = std::exchange(job.recipe.minutes, 0);
  Schema schema = job_schema(job);
  if (!o.config.empty()) schema.load_toml(config, o.config);
  for (const std::string& assignment : o.set) schema.set(assignment);
  apply_direct(schema, o);
  if (job.recipe.steps == 0 && job.recipe.minutes == 0) {
    job.recipe.steps = steps;
    job.recipe.minutes = minutes;
  }
  return job;
}

/// A run inside its own data would train on its sample grids.
void check_apart(const fs::path& run, const fs::path& data) {
  std::error_code ignored;
  if (!fs::is_directory(data, ignored)) return;
  const fs::path inside =
      fs::weakly_canonical(fs::absolute(run), ignored).lexically_relative(fs::canonical(data));
  check(inside.empty() || *inside.begin() == "..", run.string(),
        "lies inside the data {}, so that its own sample grids would be trained on; give another --out",
        data.string());
}

void list_keys(const TrainOptions& o) {
  TrainJob job = preset_job(o.preset.empty() ? Recipe{}.preset : o.preset);
  const Schema schema = job_schema(job);
  if (o.common.json) return print_json(schema.to_json());
  print(schema.describe());
}

nlohmann::json to_json(const TrainResult& r) {
  const double rate = r.seconds > 0 ? static_cast<double>(r.images) / r.seconds : 0;
  nlohmann::json json{{"run", r.run.string()}, {"model", r.model.string()}, {"steps", r.steps},
                      {"images", r.images},    {"seconds", r.seconds},      {"images_per_second", rate},
                      {"loss", r.loss},        {"skipped", r.skipped},      {"rollbacks", r.rollbacks},
                      {"ended_by", r.ended_by}};
  if (r.vae) json["vae"] = to_json(*r.vae);
  if (r.score) {
    json.update({{"held_out", r.score->count}, {"accuracy", r.score->clean}});
    if (r.score->noisy) json["accuracy_by_quarter"] = r.score->by_quarter;
  }
  return json;
}

/// What an autoencoder says of pictures, and which dimensions of its latent it does not use.
void tell(const VaeReport& r, Console& console) {
  console.info(fmt::format("{} pictures: ELBO {:.4f} bits/dim, of them KL {:.4f}; mean square error {:.5f}",
                           r.images, r.elbo.bits, r.kl.bits, r.mse));
  const auto collapsed = r.collapsed();
  console.info(
      fmt::format("latent: {} of {} dimensions used{}", r.latent.size() - collapsed.size(), r.latent.size(),
                  collapsed.empty() ? "" : fmt::format("; collapsed: {}", fmt::join(collapsed, ", "))));
}

/// What to do with the run now, and of a classifier what it is worth.
void tell(const TrainResult& result, Console& console) {
  console.info(fmt::format("{}: {} steps, {} images, {}; loss {:.4f}", result.run.string(), result.steps,
                           result.images, format_duration(result.seconds), result.loss));
  if (result.ended_by == "signal") {
    return console.info(
        fmt::format("stopped; continue with: langevin train --out {} --resume", result.run.string()));
  }
  if (result.vae) tell(*result.vae, console);
  if (!result.score) {
    return console.info(
        fmt::format("sample it with: langevin sample {} --out out --grid grid.png", result.run.string()));
  }
  const ClassifierScore& s = *result.score;
  std::string noisy;
  for (size_t q = 0; q < 4 && s.noisy; ++q)
    noisy += fmt::format("{}{:.1f}", q == 0 ? "; by quarter of the noise, least first: " : ", ",
                         100 * s.by_quarter[q]);
  console.info(fmt::format("accuracy on {} examples held out: {:.1f} % on clean pictures{}", s.count,
                           100 * s.clean, noisy));
}

}  // namespace

void train_verb(const Arguments& arguments) {
  TrainOptions o;
  CLI::App app("Train a diffusion model on pictures.", "langevin train");
  declare(app, o);
  if (!parse(app, arguments)) return;
  if (o.keys) return list_keys(o);
  if (o.out.empty()) fail_usage("needs --out RUN, the folder to write to");
  if (o.resume && !o.preset.empty())
    fail_usage("--preset cannot change with --resume; use --set for single keys");
  if (o.steps.value_or(1) < 1) fail_usage("--steps needs 1 or more; leave it out to train by --minutes");
  if (o.minutes.value_or(1) <= 0) fail_usage("--minutes needs more than 0; leave it out to train by --steps");
  check_run_folder(o.out, o.resume);
  TrainJob job = make_job(o);
  if (job.data.empty())
    fail_usage("needs --data PATH: a folder of pictures, an archive, IDX, CIFAR, .npy or .npz");
  job.data = fs::absolute(job.data).string();  // a run may be resumed from anywhere
  check(fs::exists(job.data), job.data, "no such data; give a folder of pictures or an archive with --data");
  check_recipe(job.recipe);
  check_apart(o.out, job.data);

  Console console(o.common.level());
  const StopSignal stop;  // before the wing loads: a signal from now on ends the run in order
  const TorchWing& wing = torch_wing(job.recipe.capability);
  job.recipe.capability = resolve_capability(job.recipe.capability);
  const TrainResult result = wing.train(job, o.out, o.resume, console, stop);
  if (o.common.json) return print_json(to_json(result));
  tell(result, console);
}

}  // namespace langevin::cli
