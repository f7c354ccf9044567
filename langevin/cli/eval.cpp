// langevin eval: how good a model, or a set of samples, is. The metrics are in groups, each in a file
// eval_*.cpp.
#include <algorithm>

#include "langevin/cli/eval_task.h"
#include "langevin/core/atomic_file.h"
#include "langevin/core/names.h"

namespace langevin::cli {
namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  langevin eval runs/a --data data/emoji -n 5000 --steps 20\n"
    "  langevin eval runs/a --data data/mnist --features runs/classifier --metrics fid,kid,pr\n"
    "  langevin eval samples.npz --data photos/ --inception inception.safetensors --json\n"
    "  langevin eval runs/a --data data/emoji -n 2000 --html report.html     (all of it on one page)\n"
    "  langevin eval runs/a --data data/mnist --set data.split=test --metrics nll --plot terms.svg --ode\n"
    "SAMPLES are a folder of pictures, an archive, an .npz or .npy, of this or another project.";

const std::vector<MetricGroup>& groups() {
  static const std::vector<MetricGroup> table{sample_metric_group(), likelihood_group()};
  return table;
}

std::string metric_list() {
  std::string text;
  for (const MetricGroup& group : groups()) {
    for (const MetricGroup::Metric& metric : group.metrics)
      text += fmt::format("  {:<8} {}\n", metric.name, metric.summary);
  }
  return text;
}

void declare(CLI::App& app, EvalOptions& o) {
  app.add_option("subject", o.subject, "MODEL (run folder, checkpoint, model file) or SAMPLES")->required();
  app.add_option("--data", o.data, "the real pictures, as for train")->required();
  app.add_option("--metrics", o.metrics, "names separated by commas; default: all that can be had")
      ->delimiter(',');
  app.add_option("-n,--count", o.sampling.count, "samples to draw, or to read (default 10000, or all)");
  app.add_option("--seed", o.sampling.seed, "seed of the noise (default 0)")->check(seed_range());
  app.add_option("--batch", o.sampling.batch, "pictures at once; default: by their size")
      ->check(CLI::Range(1, 65536));
  app.add_option("--set", o.set, "data.KEY=VALUE: how the real pictures are prepared, as for train")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--html", o.html, "FILE.html: a page with everything, pictures inside, for anybody to read");
  for (const MetricGroup& group : groups()) group.declare(app, o);
  add_sampler(app, o.sampling.sampler);
  add_condition(app, o.sampling.condition);
  add_backend(app, o.sampling.backend);
  add_common(app, o.common);
  app.footer("Metrics:\n" + metric_list() + kExamples);
}

/// Those of a group that are asked for, in its order.
std::vector<std::string> asked_of(const MetricGroup& group, const std::vector<std::string>& metrics,
                                  bool page) {
  std::vector<std::string> asked;
  for (const MetricGroup::Metric& metric : group.metrics) {
    const bool named = std::find(metrics.begin(), metrics.end(), metric.name) != metrics.end();
    if (metrics.empty() ? metric.by_default || (page && metric.on_page) : named) asked.push_back(metric.name);
  }
  return asked;
}

void check_names(const std::vector<std::string>& metrics) {
  std::vector<std::string> known;
  for (const MetricGroup& group : groups()) {
    for (const MetricGroup::Metric& metric : group.metrics) known.push_back(metric.name);
  }
  for (const std::string& name : metrics) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      fail_usage("--metrics: {}", unknown_name("metric", name, known));
  }
}

void write_page(const EvalOptions& o, std::vector<PageSection> sections, const std::string& partial) {
  Page page;
  page.title = "How good is " + o.subject + "?";
  page.intro =
      fmt::format("A report on pictures made by a program, compared with the real pictures of {}.", o.data);
  if (!partial.empty()) page.intro += " Partial: " + partial + ".";
  page.sections = std::move(sections);
  page.footer =
      "Made by langevin " LANGEVIN_VERSION " with: langevin eval " + o.subject + " --data " + o.data;
  write_file(o.html, render_page(page));
}

}  // namespace

void eval_verb(const Arguments& arguments) {
  EvalOptions o;
  CLI::App app("Measure how good a model or a set of samples is.", "langevin eval");
  declare(app, o);
  if (!parse(app, arguments)) return;
  check_names(o.metrics);
  check_backend(o.sampling.backend);
  o.sampling.model = o.subject;
  for (const std::string& file : {o.html, o.nearest}) {
    if (!file.empty()) check_writable(file);
  }

  const StopSignal stop;
  Console console(o.common.level());
  nlohmann::json json{{"subject", o.subject}, {"data", o.data}, {"version", LANGEVIN_VERSION}};
  std::string partial;
  std::vector<PageSection> sections;
  for (const MetricGroup& group : groups()) {
    EvalTask task{o, asked_of(group, o.metrics, !o.html.empty()), console, stop};
    if (task.asked.empty() || stop.requested()) continue;
    group.measure(task);
    json.update(task.json);
    if (!o.common.json) print(task.text);
    std::move(task.page.begin(), task.page.end(), std::back_inserter(sections));
    if (partial.empty()) partial = task.partial;
  }
  json["partial"] = !partial.empty();
  if (!o.html.empty()) {
    write_page(o, std::move(sections), partial);
    json["html"] = o.html;
    console.info("page: " + o.html);
  }
  if (!partial.empty()) throw ReportedError(partial, std::move(json));
  if (o.common.json) print_json(json);
}

}  // namespace langevin::cli
