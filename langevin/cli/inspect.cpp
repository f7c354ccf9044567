// langevin inspect: what a model or a data set is. Needs no libtorch.
#include <algorithm>
#include <cmath>

#include "langevin/cli/command.h"
#include "langevin/cli/eval_task.h"
#include "langevin/cli/inspect_data.h"
#include "langevin/core/names.h"
#include "langevin/model/model_file.h"
#include "langevin/nn/network.h"
#include "langevin/sample/sampler.h"

namespace langevin::cli {
namespace {

namespace fs = std::filesystem;

struct InspectOptions {
  std::string path, grid;
  int depth = 2;
  CommonOptions common;
};

constexpr const char* kExamples =
    "Examples:\n"
    "  langevin inspect runs/a                       (a run folder, a checkpoint or a model file)\n"
    "  langevin inspect data/emoji --grid look.png   (a data set; the sheet shows some of its pictures)";

/// "1.23 M"
std::string si(double value) {
  for (const auto& [unit, name] : {std::pair{1e12, " T"}, {1e9, " G"}, {1e6, " M"}, {1e3, " k"}}) {
    if (value >= unit) return fmt::format("{:.2f}{}", value / unit, name);
  }
  return fmt::format("{:.0f}", value);
}

/// Where the process starts, passes the middle and ends.
std::vector<PathPoint> shown_levels(const NoisePath& path) {
  std::vector<PathPoint> points;
  if (!path.is_discrete()) {
    SamplerConfig grid = usual_sampler(path);
    grid.steps = 5;
    points = sampler_points(grid, path);
    points.pop_back();  // clean data
    std::reverse(points.begin(), points.end());
    return points;
  }
  for (int64_t part = 0; part <= 4; ++part) {
    const double t = std::floor(path.t_max * static_cast<double>(part) / 4);
    if (points.empty() || points.back().t != t) points.push_back(path.at(t));
  }
  return points;
}

/// The training state that a checkpoint carries beside the model, without its bulk; null in a model file.
nlohmann::json training_state(const ModelFile& model) {
  const std::string text = model.metadata("training");
  if (text.empty()) return nullptr;
  const nlohmann::json all = nlohmann::json::parse(text, nullptr, false);
  auto state = nlohmann::json::object();
  if (!all.is_object()) return state;
  for (const auto& [key, value] : all.items()) {
    if (value.is_primitive()) state[key] = value;
  }
  return state;
}

/// Without the bulk of an int8 calibration: steps and zeros of thousands of channels.
nlohmann::json description(const ModelSpec& spec) {
  nlohmann::json json = to_json(spec);
  if (!json.contains("int8")) return json;
  for (nlohmann::json& layer : json["int8"]["layers"]) {
    layer.erase("step");
    layer.erase("zero");
  }
  return json;
}

std::string int8_text(const Calibration& c) {
  const auto int8 = std::count_if(c.layers.begin(), c.layers.end(), [](const auto& l) { return l.int8; });
  double worst = 0;
  for (const CalibrationError& e : c.errors) worst = std::max(worst, e.relative);
  return fmt::format("int8         {} of {} layers, calibrated on {} x_t ({}); relative error up to {:.3f}\n",
                     int8, c.layers.size(), c.samples, one_line(c.source), worst);
}

nlohmann::json model_json(const ModelFile& model, const nn::CostInterpreter& cost, int depth) {
  auto blocks = nlohmann::json::array();
  for (const nn::CostRow& row : cost.by_block(depth)) {
    blocks.push_back(
        {{"block", row.path}, {"output", row.output}, {"parameters", row.parameters}, {"flops", row.flops}});
  }
  auto levels = nlohmann::json::array();
  const bool diffuses = !nn::is_autoencoder(model.spec.network);
  for (const PathPoint& p :
       diffuses ? shown_levels(target_of(model.spec).path()) : std::vector<PathPoint>{}) {
    // JSON has no infinity: an end without signal says null there.
    const double log_snr = 2 * p.lambda();
    levels.push_back({{"t", p.t},
                      {"alpha", p.alpha},
                      {"sigma", p.sigma},
                      {"log_snr", std::isfinite(log_snr) ? nlohmann::json(log_snr) : nlohmann::json()}});
  }
  return {{"kind", "model"},
          {"path", model.path.string()},
          {"hash", model.metadata("xxh3")},
          {"checkpoint", training_state(model)},
          {"description", description(model.spec)},
          {"levels", levels},
          {"parameters", cost.parameter_count()},
          {"flops", cost.flops()},
          {"blocks", blocks}};
}

std::string process_text(const ModelSpec& spec) {
  const Target target = target_of(spec);
  const nn::ClassifierConfig* classifier = nn::classifier(spec.network);
  const std::string answer = classifier == nullptr ? "the network predicts " + to_string(spec.prediction)
                             : classifier->noisy   ? "x_t is classified"
                                                   : "clean pictures are classified";
  std::string text;
  if (target.schedule()) {
    text = fmt::format("schedule     {}, {} timesteps{}; {}\n", spec.schedule.kind, target.schedule()->T(),
                       spec.schedule.zero_terminal_snr ? ", zero terminal SNR" : "", answer);
  } else if (spec.target.kind == "edm") {
    text = fmt::format("target       EDM, sigma_data {:.4g}, sigma {:.4g} to {:.4g}; t is sigma{}\n",
                       spec.target.sigma_data, spec.target.sigma_min, spec.target.sigma_max,
                       classifier == nullptr ? "" : "; " + answer);
  } else {
    text = fmt::format("target       flow matching; the network is told {:.4g} t; {}\n",
                       spec.target.time_scale, classifier == nullptr ? "it predicts eps - x_0" : answer);
  }
  text += fmt::format("             {:>6} {:>9} {:>9} {:>9}\n", "t", "alpha", "sigma", "log SNR");
  for (const PathPoint& p : shown_levels(target.path())) {
    text += fmt::format("             {:>6.4g} {:>9.5f} {:>9.5f} {:>9.3f}\n", p.t, p.alpha, p.sigma,
                        2 * p.lambda());
  }
  return text;
}

std::string labels_text(const ModelSpec& spec) {
  if (spec.labels.empty()) return "classes      none\n";
  std::string text =
      fmt::format("classes      {}{}: ", spec.labels.size(), spec.null_class ? " and the null class" : "");
  constexpr size_t kShown = 24;
  for (size_t i = 0; i < std::min(kShown, spec.labels.size()); ++i) {
    text += (i == 0 ? "" : ", ") + one_line(spec.labels[i]);
  }
  return text + (spec.labels.size() > kShown ? ", ...\n" : "\n");
}

/// A line for each value; those of nested objects by dotted keys.
void add_lines(const nlohmann::json& object, const std::string& prefix, std::vector<std::string>& lines) {
  for (const auto& [key, value] : object.items()) {
    if (value.is_object()) {
      add_lines(value, prefix + key + ".", lines);
    } else {
      const std::string shown = value.is_string()
                                    ? value.get<std::string>()
                                    : value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
      lines.push_back(fmt::format("{}: {}", one_line(prefix + key), one_line(shown)));
    }
  }
}

std::string json_lines(const std::string& heading, const nlohmann::json& object) {
  std::vector<std::string> lines;
  add_lines(object, "", lines);
  std::string text;
  for (const std::string& line : lines) text += fmt::format("{:<12} {}\n", text.empty() ? heading : "", line);
  return text;
}

std::string blocks_text(const nn::CostInterpreter& cost, int depth) {
  const auto blocks = cost.by_block(depth);
  size_t width = 5;
  for (const auto& row : blocks) width = std::max(width, row.path.size());
  std::string text =
      fmt::format("\n{:<{}}  {:>20} {:>12} {:>10}\n", "block", width, "output", "parameters", "FLOPs");
  for (const auto& row : blocks) {
    text += fmt::format("{:<{}}  {:>20} {:>12} {:>10}\n", row.path, width, to_string(row.output),
                        row.parameters, si(row.flops));
  }
  return text + fmt::format("{:<{}}  {:>20} {:>12} {:>10}\n", "total", width, "", cost.parameter_count(),
                            si(cost.flops()));
}

/// "; conditioned on encoder_hidden_states (1, S, 768)"
std::string conditions_text(const nn::NetworkConfig& network) {
  std::string text;
  each_condition(
      [&](const std::optional<nn::Condition>& taken) {
        if (!taken) return;
        text += fmt::format("{}{} {}{}", text.empty() ? "; conditioned on " : ", ", taken->key,
                            nn::wanted_shape(*taken), taken->required ? "" : " if given");
      },
      nn::conditions(network, 1));
  return text;
}

/// "3 x 32 x 32 (channels x height x width)"
std::string input_text(const nn::NetworkConfig& network) {
  const Shape input = nn::input_shape(network, 1);
  if (std::holds_alternative<nn::VaeDenseConfig>(network)) {
    return fmt::format("{} x {} x {} (channels x height x width), latents of {}", input[1], input[2],
                       input[3], nn::latent_shape(network, input)[1]);
  }
  if (const auto* c = nn::autoencoder(network)) {
    const Shape z = nn::latent_shape(*c, input);
    return fmt::format("{} x {} x {} (channels x height x width), latents {} x {} x {}", input[1], input[2],
                       input[3], z[1], z[2], z[3]);
  }
  if (input.size() == 4)
    return fmt::format("{} x {} x {} (channels x height x width){}", input[1], input[2], input[3],
                       conditions_text(network));
  return fmt::format("{} x {} (numbers x horizon){}", input[1], input[2], conditions_text(network));
}

std::string model_text(const ModelFile& model, const nn::CostInterpreter& cost, int depth) {
  const ModelSpec& spec = model.spec;
  const nlohmann::json network = nn::to_json(spec.network), state = training_state(model);
  std::string text =
      fmt::format("{}: {}\n", model.path.string(), state.is_null() ? "a model" : "a checkpoint");
  text += fmt::format("network      {}, {}\n", network.value("type", ""), input_text(spec.network));
  text += fmt::format("size         {} parameters ({} in fp32), {}FLOP a call and sample\n",
                      si(static_cast<double>(cost.parameter_count())),
                      format_bytes(4.0 * static_cast<double>(cost.parameter_count())), si(cost.flops()));
  if (!nn::is_autoencoder(spec.network)) text += process_text(spec) + labels_text(spec);
  text += fmt::format("values       x_0 = (value - {}) / {}, {}\n", spec.normaliser_offset,
                      spec.normaliser_scale, one_line(spec.units));
  if (!spec.licence.empty()) text += fmt::format("licence      {}\n", one_line(spec.licence));
  if (spec.int8) text += int8_text(*spec.int8);
  text += json_lines("provenance", spec.provenance);
  if (!state.is_null()) text += json_lines("training", state);
  return text + blocks_text(cost, depth);
}

}  // namespace

void inspect_verb(const Arguments& arguments) {
  InspectOptions o;
  CLI::App app("Say what a model or a data set is.", "langevin inspect");
  app.add_option("path", o.path, "a model (run folder, checkpoint, model file) or a data set")->required();
  app.add_option("--grid", o.grid, "FILE.png: a sheet of the data set's pictures");
  app.add_option("--depth", o.depth, "how deep the table of blocks goes (default 2)")
      ->check(CLI::Range(1, 8));
  add_common(app, o.common);
  app.footer(kExamples);
  if (!parse(app, arguments)) return;
  check(fs::exists(o.path), o.path, "no such file or folder; give a model or a data set");
  Console console(o.common.level());
  if (!is_model(o.path)) return inspect_data(o.path, o.grid, o.common, console);
  if (!o.grid.empty())
    fail_usage("--grid shows the pictures of a data set; {} is a model: see langevin sample", o.path);
  const ModelFile model = open_named_model(o.path, console);
  const nn::CostInterpreter cost = nn::cost_of(model.spec.network);
  if (o.common.json) return print_json(model_json(model, cost, o.depth));
  print(model_text(model, cost, o.depth));
}

}  // namespace langevin::cli
