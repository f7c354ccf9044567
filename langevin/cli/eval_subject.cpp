// Where the samples, the features and the real pictures' statistics of an evaluation come from.
#include <cstdlib>

#include "langevin/cli/eval_samples.h"
#include "langevin/cli/installed.h"
#include "langevin/core/checksum.h"
#include "langevin/eval/inception.h"
#include "langevin/eval/statistics_file.h"
#include "langevin/model/pictures.h"

namespace langevin::cli {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kDrawn = 10000;
constexpr const char* kShipped = "digits-features.safetensors";  // scripts/make-features

/// Draws with a model, a batch at a time.
Subject drawn_subject(const EvalOptions& o, Console& console, const StopSignal& stop,
                      std::function<void(double samples)> progress) {
  SampleOptions sampling = o.sampling;
  if (!sampling.count) sampling.count = kDrawn;
  ModelFile model = open_named_model(o.subject, console);
  const ModelSpec spec = model.spec;
  const SamplePlan plan = make_plan(sampling, model, console);
  check(plan.shape[0] == 1 || plan.shape[0] == 3 || plan.shape[0] == 4, o.subject,
        "makes samples of {} channels, which are no pictures", plan.shape[0]);
  const std::shared_ptr<Engine> engine = open_engine(std::move(model), sampling.backend, console);
  Subject subject;
  subject.shape = plan.shape;
  subject.batch = plan.batch;
  subject.description = plan.parameters;
  subject.description["engine"] = engine->name();
  const SamplerConfig& sampler = plan.request.sampler;
  subject.text = fmt::format("{} drawn, {} {} steps, seed {}, {}", plan.count, sampler.name, sampler.steps,
                             plan.request.seed, engine->name());
  subject.pictures.name = o.subject;
  subject.pictures.count = plan.count;
  const int64_t calls = plan.calls;
  subject.engine = engine;
  subject.request = batch_request(plan, 0, plan.batch);
  subject.calls = calls;
  subject.pictures.get = [=, &stop](int64_t first, int64_t count) -> std::vector<Image> {
    const HostArrayF x0 =
        engine->sample(batch_request(plan, first, count), [&](const StepInfo<HostArrayF>& info) {
          const double share = static_cast<double>(info.step + 1) / static_cast<double>(calls);
          if (progress) progress(static_cast<double>(first) + share * static_cast<double>(count));
          return !stop.requested();
        });
    if (stop.requested()) return {};  // its last batch is not done
    return to_images(x0, spec);
  };
  return subject;
}

Subject read_subject(const EvalOptions& o, Console& console) {
  DataOptions options;
  options.split = "all";
  options.threads = o.sampling.backend.engine.threads;
  const auto data = open_dataset(o.subject, options, console);
  if (o.sampling.count && *o.sampling.count > data->size())
    console.warn(
        fmt::format("{} holds {} pictures, -n asks for {}", o.subject, data->size(), *o.sampling.count));
  Subject subject;
  const ImageSpec& spec = data->spec();
  subject.shape = {spec.channels, spec.height, spec.width};
  subject.batch = o.sampling.batch.value_or(64);
  subject.pictures = dataset_pictures(data, o.sampling.count.value_or(0), options.threads);
  subject.description = to_json(data->summary());
  subject.text = fmt::format("{} pictures, {}", subject.pictures.count, to_string(spec));
  return subject;
}

/// $XDG_CACHE_HOME/langevin/statistics, else under ~/.cache; empty: there is no such place.
fs::path cache_folder() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? fs::path() : fs::path(value);
  };
  fs::path base = variable("XDG_CACHE_HOME");
  if (base.empty() && !variable("HOME").empty()) base = variable("HOME") / ".cache";
  return base.empty() ? base : base / "langevin" / "statistics";
}

/// The set and how it was prepared.
std::string prepared_hash(const PreparedSet& data) {
  const DataOptions& o = data.options();
  Xxh3 hash;
  hash.update(fmt::format("{}|{}|{}|{}|{}", data.summary().hash, to_string(data.spec()), o.fit, o.zoom,
                          o.background));
  return hash.hex();
}

}  // namespace

Subject open_subject(const EvalOptions& o, Console& console, const StopSignal& stop,
                     std::function<void(double samples)> progress) {
  check(fs::exists(o.subject), o.subject, "does not exist; eval takes a model or a set of samples");
  if (is_model(o.subject)) return drawn_subject(o, console, stop, std::move(progress));
  return read_subject(o, console);
}

std::unique_ptr<FeatureNetwork> open_features(const EvalOptions& o, Console& console) {
  const auto open = [&](ModelFile model) {
    BackendOptions backend = o.sampling.backend;
    backend.engine.precision = "fp32";  // the yardstick does not depend on how samples are drawn
    return open_engine(std::move(model), backend, console);
  };
  if (!o.inception.empty()) {
    if (!o.features.empty()) fail_usage("--features and --inception each name the feature network; give one");
    return inception_network(o.inception, o.sampling.backend.engine.threads);
  }
  if (!o.features.empty()) return classifier_network(open_named_model(o.features, console), o.features, open);
  const fs::path shipped = installed_file(kShipped, "share/langevin");
  if (shipped.empty()) {
    fail_usage(
        "{} is not beside the command: give --features MODEL, a classifier of labelled pictures (langevin "
        "train --task classifier)",
        kShipped);
  }
  console.info(
      "features: of the digits that langevin data digits draws, which say little of other pictures: see "
      "--features");
  return classifier_network(open_model(shipped), kShipped, open);
}

FeatureTally real_tally(const EvalOptions& o, const std::shared_ptr<PreparedSet>& data,
                        FeatureNetwork& network, Console& console, const StopSignal& stop) {
  const PictureSource pictures = dataset_pictures(data, o.real, o.sampling.backend.engine.threads);
  const FeatureNetworkInfo& info = network.info();
  const StatisticsKey key{prepared_hash(*data), info.hash, pictures.count, {2, o.kept}};
  const StatisticsNames names{o.data, info.name};
  fs::path path = o.statistics;
  if (path.empty() && !cache_folder().empty()) path = cache_folder() / statistics_name(key);
  if (!path.empty() && fs::exists(path)) {
    try {
      return read_statistics(path, key, names);
    } catch (const Error&) {
      if (!o.statistics.empty()) throw;  // the user's own file; one in the cache is made again
    }
  }
  Progress bar(console, "real", "images", pictures.count);
  FeatureTally tally(info.features, info.classes, key.limits);
  TallyProgress how;
  how.batch = o.sampling.batch.value_or(64);
  how.progress = [&](int64_t done) { bar.update(done, done); };
  how.stopped = [&] { return stop.requested(); };
  tally_pictures(pictures, network, how, tally);
  bar.finish();
  check(tally.count() == pictures.count, "eval", "stopped after {} of {} real pictures: there is no figure",
        tally.count(), pictures.count);
  if (path.empty()) return tally;
  try {
    write_statistics(path, tally, key, names);
  } catch (const Error& e) {
    if (!o.statistics.empty()) throw;
    console.warn(fmt::format("statistics of {} are not kept: {}", o.data, e.what()));
  }
  return tally;
}

}  // namespace langevin::cli
