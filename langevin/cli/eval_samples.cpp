#include "langevin/cli/eval_samples.h"

#include <algorithm>

#include "langevin/data/parallel.h"

namespace langevin::cli {
namespace {

constexpr int64_t kParts = 10;

const SampleMetric& metric_named(const std::string& name) {
  const auto& all = sample_metrics();
  return *std::find_if(all.begin(), all.end(), [&](const SampleMetric& m) { return m.name == name; });
}

/// Asked for, and possible with this network: what nobody named is left out silently.
std::vector<SampleMetric> possible(const EvalTask& task, const FeatureNetworkInfo& network) {
  std::vector<SampleMetric> metrics;
  for (const std::string& name : task.asked) {
    const SampleMetric& metric = metric_named(name);
    const bool can = !metric.needs_classes || network.classes > 0;
    check(can || task.options.metrics.empty(), network.name, "knows no classes, which the metric {} needs",
          name);
    if (can) metrics.push_back(metric);
  }
  return metrics;
}

nlohmann::json to_json(const Figure& f) {
  nlohmann::json json = f.details;
  json["value"] = f.value;
  json["lower_is_better"] = f.lower_is_better;
  if (f.standard_error) json["standard_error"] = *f.standard_error;
  if (f.floor) json["real_against_real"] = *f.floor;
  return json;
}

std::string to_text(const std::vector<Figure>& figures) {
  std::string text = fmt::format("{:<16} {:>10} {:>10} {:>18}\n", "", "value", "+-", "real against real");
  const auto number = [](const std::optional<double>& value) {
    return value ? fmt::format("{:.4g}", *value) : std::string("-");
  };
  for (const Figure& f : figures) {
    text += fmt::format("{:<16} {:>10} {:>10} {:>18}", f.name, number(f.value), number(f.standard_error),
                        number(f.floor));
    for (const std::string& note : f.notes) text += "   " + note;
    text += "\n";
  }
  return text;
}

nlohmann::json to_json(const FeatureNetworkInfo& info) {
  return {{"name", info.name}, {"hash", info.hash}, {"features", info.features}, {"classes", info.classes}};
}

FeatureTally subject_tally(EvalTask& task, FeatureNetwork& network, Subject& subject, Progress& bar) {
  FeatureTally tally(network.info().features, network.info().classes, {kParts, task.options.kept});
  TallyProgress how;
  how.batch = subject.batch;
  how.progress = [&](int64_t done) { bar.update(done, done); };
  how.stopped = [&] { return task.stop.requested(); };
  tally_pictures(subject.pictures, network, how, tally);
  bar.finish();
  return tally;
}

void measure(EvalTask& task) {
  const EvalOptions& o = task.options;
  Progress* bar = nullptr;
  Subject subject = open_subject(o, task.console, task.stop, [&](double samples) {
    const auto whole = static_cast<int64_t>(samples);
    if (bar != nullptr) bar->update(whole, whole);
  });
  const auto network = open_features(o, task.console);
  const std::vector<SampleMetric> metrics = possible(task, network->info());
  const auto data = open_real(o, subject.shape, task.console);
  const FeatureTally real = real_tally(o, data, *network, task.console, task.stop);
  Progress drawing(task.console, "samples", "images", subject.pictures.count);
  bar = &drawing;
  const FeatureTally samples = subject_tally(task, *network, subject, drawing);
  const bool whole = samples.count() == subject.pictures.count;
  if (!whole) {
    constexpr int64_t kFewest = 40;
    task.partial = fmt::format("stopped after {} of {} samples", samples.count(), subject.pictures.count);
    if (samples.count() < kFewest) fail("{}: too few for any figure", task.partial);
    task.partial += ": the figures are partial";
  }
  std::vector<Figure> figures;
  const MetricContext context{resolve_threads(o.sampling.backend.engine.threads)};
  for (const SampleMetric& metric : metrics) {
    for (Figure& figure : metric.measure(samples, real, context)) figures.push_back(std::move(figure));
  }
  nlohmann::json found = nlohmann::json::object(), warnings = nlohmann::json::array();
  for (const Figure& figure : figures) {
    found[figure.name] = to_json(figure);
    for (const std::string& warning : figure.warnings) {
      task.console.warn(warning);
      warnings.push_back(warning);
    }
  }
  const FeatureNetworkInfo& info = network->info();
  task.json = {{"samples", samples.count()},       {"real", real.count()}, {"features", to_json(info)},
               {"figures", std::move(found)},      {"warnings", warnings}, {"drawn", subject.description},
               {"data_hash", data->summary().hash}};
  task.text = fmt::format(
      "samples   {}: {}{}\nreal      {}: {} pictures, {}{}\nfeatures  {} ({} features, {} "
      "classes, {})\n\n{}",
      o.subject, subject.text, whole ? "" : fmt::format("; PARTIAL: {} of them", samples.count()), o.data,
      real.count(), to_string(data->spec()),
      data->summary().resized > 0 ? fmt::format("; {} of them resized to that", data->summary().resized) : "",
      info.name, info.features, info.classes, info.hash.substr(0, 8), to_text(figures));
}

void declare(CLI::App& app, EvalOptions& o) {
  const char* group = "Feature network and real pictures";
  app.add_option("--features", o.features,
                 "MODEL: a classifier (langevin train --task classifier) whose features are compared")
      ->group(group);
  app.add_option("--statistics", o.statistics,
                 "FILE.safetensors that keeps the real pictures' statistics; default: in the user's cache")
      ->group(group);
  app.add_option("--real", o.real, "real pictures to look at, at random (default: all)")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 32))
      ->group(group);
  app.add_option("--kept", o.kept, "features of each kind kept for kid, pr and dc (default 10000)")
      ->check(CLI::Range(100, 1'000'000))
      ->group(group);
}

}  // namespace

MetricGroup sample_metric_group() {
  MetricGroup group;
  for (const SampleMetric& metric : sample_metrics()) group.metrics.push_back({metric.name, metric.summary});
  group.declare = declare;
  group.measure = measure;
  return group;
}

}  // namespace langevin::cli
