// langevin quantize: finds out how a model's network computes in int8, and writes it into a copy of the
// model.
#include <algorithm>

#include "langevin/cli/command.h"
#include "langevin/core/signals.h"
#include "langevin/data/loader.h"
#include "langevin/runtime/calibration_inputs.h"

namespace langevin::cli {
namespace {

struct QuantizeOptions {
  std::string model, out, data;
  int64_t count = 128, threads = 0;
  uint64_t seed = 0;
  CommonOptions common;
};

constexpr const char* kExamples =
    "Examples:\n"
    "  langevin quantize runs/a --data data/emoji --out a-int8.safetensors\n"
    "  langevin quantize runs/a --out a-int8.safetensors          (without data: on its own samples)\n"
    "  langevin sample a-int8.safetensors --precision int8 -n 64 --out out\n"
    "The file keeps the weights as they are, so it still runs in fp32 and bf16 and everywhere else; what is "
    "added says\nhow the network's activations become bytes and which layers stay in fp32 because int8 hurts "
    "there.";

void declare(CLI::App& app, QuantizeOptions& o) {
  app.add_option("model", o.model, "run folder, checkpoint or model file")->required();
  app.add_option("--out", o.out, "FILE.safetensors to write")->required();
  app.add_option("--data", o.data, "pictures to calibrate on, as for train; best those it was trained on");
  app.add_option("-n,--count", o.count, "noisy pictures x_t to look at (default 128)")
      ->check(CLI::Range(8, 1 << 20));
  app.add_option("--seed", o.seed, "of noise and choice (default 0)")->check(seed_range());
  app.add_option("--threads", o.threads, "threads; 0: one a core")->check(CLI::Range(0, 4096));
  add_common(app, o.common);
  app.footer(kExamples);
}

std::vector<runtime::CalibrationBatch> from_data(const QuantizeOptions& o, const ModelSpec& spec,
                                                 Console& console) {
  const Shape shape = nn::input_shape(spec.network, 1);
  DataOptions options;
  options.channels = shape[1];
  options.size = shape[2];
  options.width = shape[3];
  options.threads = o.threads;
  const auto set = open_dataset(o.data, options, console);
  LoaderOptions order;
  order.batch = o.count;
  order.seed = o.seed;
  Batch batch = make_batch(*set, set->spec(), order, 0);
  // The model knows classes by name; another set's are not its own.
  std::vector<int64_t> labels;
  for (int64_t label : batch.labels) {
    const auto& names = set->class_names();
    const auto found =
        label < 0 ? spec.labels.end()
                  : std::find(spec.labels.begin(), spec.labels.end(), names[static_cast<size_t>(label)]);
    labels.push_back(found == spec.labels.end() ? -1 : found - spec.labels.begin());
  }
  return runtime::inputs_from_data(spec, batch.images, labels, o.seed);
}

std::vector<runtime::CalibrationBatch> from_trajectory(const QuantizeOptions& o, const ModelSpec& spec,
                                                       runtime::RuntimeNetwork& network, Console& console) {
  Progress bar(console, "sampling", "x_t", o.count);
  auto batches = runtime::inputs_from_trajectory(
      network, spec, o.count, o.seed, [&](int64_t done) { bar.update(std::min(done, o.count), done); });
  bar.finish();
  return batches;
}

Calibration calibrated(const QuantizeOptions& o, const ModelFile& model, Console& console) {
  runtime::RuntimeNetwork network(model.spec.network, runtime::Weights(model.weights), runtime::Type::int8,
                                  runtime::resolve_threads(o.threads));
  const auto batches =
      o.data.empty() ? from_trajectory(o, model.spec, network, console) : from_data(o, model.spec, console);
  Progress bar(console, "calibrating", "call", 0);
  const StopSignal stop;
  runtime::CalibrationOptions options;
  options.seed = o.seed;
  options.progress = [&](int64_t done, int64_t) {
    check(!stop.requested(), "quantize", "stopped; nothing was written");
    bar.update(done, done);
  };
  Calibration result = runtime::calibrate(network, batches, options);
  bar.finish();
  result.source = o.data.empty() ? "trajectory" : "data";
  for (const runtime::CalibrationBatch& batch : batches) result.samples += batch.x.batch();
  result.seed = o.seed;
  return result;
}

void write(const QuantizeOptions& o, const ModelFile& model, const ModelSpec& spec) {
  std::vector<TensorOut> tensors;
  for (const std::string& name : model.weights.names()) {
    const TensorView& view = model.weights.at(name);
    tensors.push_back({name, view.dtype, view.shape, view.bytes});
  }
  write_model(o.out, spec, tensors);
}

std::vector<std::string> left_in_fp32(const Calibration& calibration) {
  std::vector<std::string> names;
  for (const LayerCalibration& layer : calibration.layers) {
    if (!layer.int8) names.push_back(layer.name);
  }
  return names;
}

nlohmann::json report(const QuantizeOptions& o, const Calibration& found) {
  nlohmann::json layers = nlohmann::json::object(), errors = to_json(found).at("errors");
  for (const LayerCalibration& layer : found.layers) layers[layer.name] = layer.error;
  return {{"model", o.model},
          {"out", o.out},
          {"source", found.source},
          {"samples", found.samples},
          {"int8_layers", found.layers.size() - left_in_fp32(found).size()},
          {"left_in_fp32", left_in_fp32(found)},
          {"errors", errors},
          {"layer_errors", layers}};
}

std::string text(const QuantizeOptions& o, const Calibration& found) {
  std::string lines = fmt::format("{:>8} {:>8}  {}\n", "t from", "to", "relative error of the output");
  for (const CalibrationError& e : found.errors)
    lines += fmt::format("{:>8} {:>8}  {:.4f}\n", e.first_t, e.last_t, e.relative);
  const auto left = left_in_fp32(found);
  lines += fmt::format("{}: {} layers in int8", o.out, found.layers.size() - left.size());
  for (size_t i = 0; i < left.size(); ++i) lines += (i == 0 ? "; left in fp32: " : ", ") + left[i];
  return lines + "\n";
}

}  // namespace

void quantize_verb(const Arguments& arguments) {
  QuantizeOptions o;
  CLI::App app("Prepare a model for sampling in int8.", "langevin quantize");
  declare(app, o);
  if (!parse(app, arguments)) return;

  Console console(o.common.level());
  const ModelFile model = open_named_model(o.model, console);
  if (!std::holds_alternative<nn::UNet2DConfig>(model.spec.network))
    fail_usage("{} is no network of pictures: it needs no calibration, use --precision int8 as it is",
               model.path.string());
  ModelSpec spec = model.spec;
  spec.int8 = calibrated(o, model, console);
  write(o, model, spec);
  if (o.common.json) return print_json(report(o, *spec.int8));
  print(text(o, *spec.int8));
}

}  // namespace langevin::cli
