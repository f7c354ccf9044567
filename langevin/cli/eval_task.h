// What the verb `eval` and the groups of metrics in it share. A group is a file eval_*.cpp: it names its
// metrics, adds its options and measures those that are asked for. A new group is one more line of the table
// in eval.cpp.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "langevin/cli/sample_plan.h"
#include "langevin/core/signals.h"
#include "langevin/data/open.h"
#include "langevin/eval/page.h"

namespace langevin::cli {

struct EvalOptions {
  std::string subject, data;                    // MODEL or SAMPLES; the real pictures
  std::vector<std::string> metrics;             // empty: those that can be had
  SampleOptions sampling;                       // model, count, seed, sampler, condition, batch, backend
  std::vector<std::string> set;                 // data.key=value
  std::string features, inception, statistics;  // of the metrics of samples
  int64_t kept = 10000, real = 0;
  std::string nearest;                            // FILE.png
  std::string html;                               // the page; empty: none
  int64_t draws = 8, ode_images = 64, iwae = 64;  // of nll
  double tolerance = 1e-4;                        // of its ODE
  bool ode = false;
  std::string plot;
  CommonOptions common;
};

/// Of one group: what it is asked, and where it puts what it finds.
struct EvalTask {
  const EvalOptions& options;
  std::vector<std::string> asked;  // its own metrics
  Console& console;
  const StopSignal& stop;
  nlohmann::json json = nlohmann::json::object();  // merged into the verb's object
  std::string text = {};                           // for people
  std::vector<PageSection> page = {};              // of --html
  std::string partial = {};  // why the figures are not of all that was asked; empty: they are
};

struct MetricGroup {
  struct Metric {
    std::string name, summary;
    bool by_default = true;  // measured where nobody names metrics
    bool on_page = false;    // and there only for the page of --html
  };
  std::vector<Metric> metrics;
  void (*declare)(CLI::App& app, EvalOptions& options) = nullptr;
  void (*measure)(EvalTask& task) = nullptr;
};

/// fid, kid, is, pr, dc, nearest.
MetricGroup sample_metric_group();

/// nll.
MetricGroup likelihood_group();

/// The real pictures, brought to (C,H,W) of a model or of other pictures; empty: as they are. Error where
/// channels differ.
std::shared_ptr<PreparedSet> open_real(const EvalOptions& options, const Shape& shape, Console& console);

/// Whether a path is a model, by its content, and no set of pictures.
bool is_model(const std::filesystem::path& path);

}  // namespace langevin::cli
