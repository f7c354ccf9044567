#include "langevin/cli/eval_samples.h"

#include <algorithm>

#include "langevin/cli/eval_page.h"
#include "langevin/data/parallel.h"
#include "langevin/eval/nearest.h"
#include "langevin/io/png.h"

namespace langevin::cli {
namespace {

constexpr int64_t kParts = 10;
constexpr const char* kNearest = "nearest";

const SampleMetric& metric_named(const std::string& name) {
  const auto& all = sample_metrics();
  return *std::find_if(all.begin(), all.end(), [&](const SampleMetric& m) { return m.name == name; });
}

/// Asked for, and possible with this network: what nobody named is left out silently.
std::vector<SampleMetric> possible(const EvalTask& task, const FeatureNetworkInfo& network) {
  std::vector<SampleMetric> metrics;
  for (const std::string& name : task.asked) {
    if (name == kNearest) continue;
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

constexpr size_t kSamplesKept = 200;  // as pictures: for the page and for what is nearest to them
constexpr int64_t kNearestReal = 200;

/// All that is compared, while it is.
struct Comparison {
  EvalTask& task;
  Subject subject = {};
  std::unique_ptr<FeatureNetwork> network = {};
  std::shared_ptr<PreparedSet> data = {};
  std::vector<Image> first = {};  // samples
  std::optional<FeatureTally> samples = {}, real = {};
  std::vector<Figure> figures = {};
  std::optional<Memorisation> nearest = {};
};

PictureSource real_pictures(const Comparison& c) {
  return dataset_pictures(c.data, 0, c.task.options.sampling.backend.engine.threads);
}

/// Draws or reads the samples; says in the task where it was stopped.
void tally_samples(Comparison& c, Progress& bar) {
  const FeatureNetworkInfo& info = c.network->info();
  c.samples.emplace(info.features, info.classes, TallyLimits{kParts, c.task.options.kept});
  PictureSource source = c.subject.pictures;
  source.get = [&c](int64_t first, int64_t count) {
    std::vector<Image> pictures = c.subject.pictures.get(first, count);
    for (const Image& picture : pictures) {
      if (c.first.size() < kSamplesKept) c.first.push_back(picture);
    }
    return pictures;
  };
  TallyProgress how;
  how.batch = c.subject.batch;
  how.progress = [&](int64_t done) { bar.update(done, done); };
  how.stopped = [&] { return c.task.stop.requested(); };
  tally_pictures(source, *c.network, how, *c.samples);
  bar.finish();
  if (c.samples->count() == source.count) return;
  constexpr int64_t kFewest = 40;
  c.task.partial = fmt::format("stopped after {} of {} samples", c.samples->count(), source.count);
  if (c.samples->count() < kFewest) fail("{}: too few for any figure", c.task.partial);
  c.task.partial += ": the figures are partial";
}

bool asked(const EvalTask& task, const std::string& metric) {
  return std::find(task.asked.begin(), task.asked.end(), metric) != task.asked.end();
}

/// The metric "nearest": pictures, not features. The page and --nearest want it too.
void measure_nearest(Comparison& c) {
  const EvalOptions& o = c.task.options;
  const bool wanted = asked(c.task, kNearest) || !o.html.empty() || !o.nearest.empty();
  if (!wanted || c.task.stop.requested()) return;
  const PictureSource real = real_pictures(c);
  Progress bar(c.task.console, "nearest", "images", real.count);
  NearestProgress how;
  how.progress = [&](int64_t done) { bar.update(done, done); };
  how.stopped = [&] { return c.task.stop.requested(); };
  c.nearest = memorisation(c.first, real, kNearestReal, how);
  bar.finish();
  if (!o.nearest.empty()) write_png(o.nearest, nearest_sheet(c.first, *c.nearest, real));
}

nlohmann::json to_json(const Memorisation& m) {
  auto distances = nlohmann::json::array(), real = nlohmann::json::array();
  for (const NearestPicture& n : m.samples) distances.push_back(n.distance);
  for (const NearestPicture& n : m.real) real.push_back(n.distance);
  return {{"median", m.median},
          {"real_median", m.real_median},
          {"close_share", m.close_share},
          {"distances", distances},
          {"real_distances", real}};
}

void report(Comparison& c, nlohmann::json& json) {
  nlohmann::json found = nlohmann::json::object(), warnings = nlohmann::json::array();
  for (const Figure& figure : c.figures) {
    found[figure.name] = to_json(figure);
    for (const std::string& warning : figure.warnings) {
      c.task.console.warn(warning);
      warnings.push_back(warning);
    }
  }
  json = {{"samples", c.samples->count()},
          {"real", c.real->count()},
          {"features", to_json(c.network->info())},
          {"figures", std::move(found)},
          {"warnings", warnings},
          {"drawn", c.subject.description},
          {"data_hash", c.data->summary().hash}};
  if (c.nearest) json["nearest"] = to_json(*c.nearest);
}

std::string text_of(const Comparison& c) {
  const FeatureNetworkInfo& info = c.network->info();
  const DatasetSummary& summary = c.data->summary();
  std::string text = fmt::format("samples   {}: {}\n", c.task.options.subject, c.subject.text);
  if (!c.task.partial.empty()) text += fmt::format("          PARTIAL: {}\n", c.task.partial);
  text += fmt::format("real      {}: {} pictures, {}{}\n", c.task.options.data, c.real->count(),
                      to_string(c.data->spec()),
                      summary.resized > 0 ? fmt::format("; {} resized to that", summary.resized) : "");
  text += fmt::format("features  {} ({} features, {} classes, {})\n\n{}", info.name, info.features,
                      info.classes, info.hash.substr(0, 8), to_text(c.figures));
  if (c.nearest) {
    text += fmt::format(
        "nearest   median distance {:.4g} (real pictures to others {:.4g}); {:.0f} % of {} samples are "
        "closer than 95 % of the real pictures are\n",
        c.nearest->median, c.nearest->real_median, 100 * c.nearest->close_share, c.nearest->samples.size());
  }
  return text;
}

/// What a model's page shows of the model itself.
void add_model_sections(Comparison& c) {
  constexpr int64_t kReal = 64;
  Engine& engine = *c.subject.engine;
  const ModelSpec& spec = engine.spec();
  const RealBatch real = real_batch(*c.data, spec, kReal);
  c.task.page.push_back(forward_section(spec, real.x0));
  c.task.page.push_back(reverse_section(engine, c.subject.request, c.subject.calls));
  if (!real.usable || c.task.stop.requested()) return;
  TimeLossOptions options;
  options.stopped = [&] { return c.task.stop.requested(); };
  c.task.page.push_back(
      loss_section(loss_by_time(engine, real.x0, real.labels, options), spec.target.kind == "edm"));
}

void add_page(Comparison& c) {
  constexpr int64_t kShown = 64;
  const PictureSource real = real_pictures(c);
  c.task.page.push_back(pictures_section(c.first, real.get(0, std::min(kShown, real.count))));
  if (!c.figures.empty()) {
    c.task.page.push_back(figures_section(c.figures, c.network->info(), c.samples->count(), c.real->count()));
  }
  if (c.nearest) c.task.page.push_back(nearest_section(*c.nearest, nearest_sheet(c.first, *c.nearest, real)));
  if (c.subject.engine && !c.task.stop.requested()) add_model_sections(c);
}

void measure(EvalTask& task) {
  const EvalOptions& o = task.options;
  Comparison c{task};
  Progress* bar = nullptr;
  c.subject = open_subject(o, task.console, task.stop, [&bar](double samples) {
    const auto whole = static_cast<int64_t>(samples);
    if (bar != nullptr) bar->update(whole, whole);
  });
  c.network = open_features(o, task.console);
  const std::vector<SampleMetric> metrics = possible(task, c.network->info());
  c.data = open_real(o, c.subject.shape, task.console);
  c.real.emplace(real_tally(o, c.data, *c.network, task.console, task.stop));
  Progress drawing(task.console, "samples", "images", c.subject.pictures.count);
  bar = &drawing;
  tally_samples(c, drawing);
  bar = nullptr;
  const MetricContext context{resolve_threads(o.sampling.backend.engine.threads)};
  for (const SampleMetric& metric : metrics) {
    for (Figure& figure : metric.measure(*c.samples, *c.real, context))
      c.figures.push_back(std::move(figure));
  }
  measure_nearest(c);
  report(c, task.json);
  task.text = text_of(c);
  if (!o.html.empty()) add_page(c);
}

void declare(CLI::App& app, EvalOptions& o) {
  const char* group = "Feature network and real pictures";
  app.add_option("--features", o.features,
                 "MODEL: a classifier (langevin train --task classifier) whose features are compared")
      ->group(group);
  app.add_option("--nearest", o.nearest, "FILE.png: samples and the real pictures nearest to them")
      ->group(group);
  app.add_option("--inception", o.inception,
                 "FILE.safetensors: the Inception-v3 of published FIDs, tensors named as in pytorch-fid")
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
  group.metrics.push_back({kNearest, "memorisation: how near samples are to single real pictures", false});
  group.declare = declare;
  group.measure = measure;
  return group;
}

}  // namespace langevin::cli
