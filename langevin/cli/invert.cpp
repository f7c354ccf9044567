// langevin invert: the noise that a picture is made of.
#include <algorithm>
#include <array>

#include "langevin/cli/command.h"
#include "langevin/cli/engine_options.h"
#include "langevin/cli/given_image.h"
#include "langevin/cli/inversion_options.h"
#include "langevin/core/atomic_file.h"
#include "langevin/io/grid.h"
#include "langevin/io/png.h"
#include "langevin/model/pictures.h"

namespace langevin::cli {
namespace {

struct InvertOptions {
  std::string model, out, reconstruct;
  std::vector<std::string> images;
  InversionChoice inversion;
  ConditionOptions condition;
  bool strict = false;
  BackendOptions backend;
  CommonOptions common;
};

constexpr const char* kExamples =
    "Examples:\n"
    "  langevin invert runs/a face.png --out face.safetensors --reconstruct again.png\n"
    "  langevin invert runs/a seven.png one.png --class 7,1 --steps 200 --iterations 5 --out x.safetensors\n"
    "  langevin sample runs/a --init face.safetensors --steps 100 --threshold none --guidance 1 --out out\n"
    "The file holds x_T (N,C,H,W). The picture comes back with the same steps, spacing, classes and\n"
    "guidance; other classes or a few steps less edit it.";

void declare(CLI::App& app, InvertOptions& o) {
  app.add_option("model", o.model, "run folder, checkpoint or model file")->required();
  app.add_option("images", o.images, "PNG, JPEG or WebP files")->required();
  app.add_option("--out", o.out, "FILE.safetensors for x_T")->required();
  app.add_option("--reconstruct", o.reconstruct, "FILE.png: what x_T gives when sampled again");
  add_inversion(app, o.inversion);
  add_condition(app, o.condition);
  app.add_flag("--strict", o.strict, "refuse images that are not of the model's size");
  add_backend(app, o.backend);
  add_common(app, o.common);
  app.footer(kExamples);
}

HostArrayF read_images(const InvertOptions& o, const ModelSpec& spec, const Shape& shape, Console& console) {
  HostArrayF all({static_cast<int64_t>(o.images.size()), shape[0], shape[1], shape[2]});
  for (size_t i = 0; i < o.images.size(); ++i) {
    const HostArrayF one = read_given_image(o.images[i], spec, shape, o.strict, console);
    std::copy(one.data().begin(), one.data().end(), all.sample(static_cast<int64_t>(i)).begin());
  }
  return all;
}

nlohmann::json parameters_of(const InvertOptions& o, const Walk& walk, const ModelFile& model) {
  nlohmann::json json{{"model", o.model},
                      {"hash", model.metadata("xxh3")},
                      {"sampler", describe_sampler(walk.request.sampler)},
                      {"iterations", o.inversion.options.iterations},
                      {"images", o.images},
                      {"version", LANGEVIN_VERSION}};
  json.update(describe_threshold(walk.request.threshold));
  if (!walk.labels.empty()) {
    json["classes"] = walk.labels;
    json.update(describe_guidance(walk.request.guidance, model.spec));
  }
  return json;
}

void write_reconstruction(const std::string& file, const std::vector<Image>& images) {
  write_png(file, images.size() == 1 ? images[0] : make_grid(images), {{"Software", "langevin"}});
}

/// The command line that makes the pictures again.
std::string way_back(const InvertOptions& o, const Walk& walk, const ModelSpec& spec) {
  const SamplerConfig& s = walk.request.sampler;
  std::string line = fmt::format(
      "langevin sample {} --init {} --sampler {} --steps {} --spacing {} --threshold {} --out OUT", o.model,
      o.out, s.name, s.steps, s.spacing, walk.request.threshold.kind);
  if (spec.sampling) line += " --compat none";
  for (const std::string& name : o.condition.classes) line += " --class " + name;
  const bool null_class = walk.labels.empty() && nn::class_count(spec.network) > 0;  // guidance 0 of any
  if (null_class || !walk.labels.empty())
    line += fmt::format(" --guidance {}", null_class ? 0 : walk.request.guidance.scale);
  return line;
}

void report(const InvertOptions& o, nlohmann::json json, const std::vector<Likeness>& errors,
            const std::string& back, Console& console) {
  if (!o.common.json) {
    for (size_t i = 0; i < errors.size(); ++i)
      console.info(fmt::format("{}: reconstructed with {}", o.images[i], to_string(errors[i])));
    console.info("x_T: " + o.out);
    if (!o.reconstruct.empty()) console.info("reconstruction: " + o.reconstruct);
    return console.info("back: " + back);
  }
  nlohmann::json list = nlohmann::json::array();
  for (size_t i = 0; i < errors.size(); ++i) {
    list.push_back({{"image", o.images[i]}, {"rmse", errors[i].rmse}});
    list.back()["psnr"] = errors[i].psnr ? nlohmann::json(*errors[i].psnr) : nlohmann::json();
  }
  json["reconstructions"] = list;
  json["out"] = o.out;
  json["back"] = back;
  if (!o.reconstruct.empty()) json["reconstruct"] = o.reconstruct;
  print_json(json);
}

}  // namespace

void invert_verb(const Arguments& arguments) {
  InvertOptions o;
  CLI::App app("Find the noise that a picture is made of.", "langevin invert");
  declare(app, o);
  if (!parse(app, arguments)) return;
  check_backend(o.backend);
  check_inversion(o.inversion);
  if (!o.out.ends_with(".safetensors")) fail_usage("--out: '{}' must end in .safetensors", o.out);
  if (!o.reconstruct.empty() && !o.reconstruct.ends_with(".png"))
    fail_usage("--reconstruct: '{}' must end in .png", o.reconstruct);

  const StopSignal stop;
  Console console(o.common.level());
  ModelFile model = open_named_model(o.model, console);
  const ModelSpec spec = model.spec;
  Walk walk;
  walk.shape = picture_shape(spec, o.model, "invert");
  const auto count = static_cast<int64_t>(o.images.size());
  set_inversion(o.inversion, o.condition, spec, o.model, count, walk);
  const HostArrayF x0 = read_images(o, spec, walk.shape, console);
  for (const std::string& file : {o.out, o.reconstruct}) {
    if (!file.empty()) check_writable(file);
  }
  nlohmann::json parameters = parameters_of(o, walk, model);
  const auto engine = open_engine(std::move(model), o.backend, console);

  const HostArrayF x_T = walk_up(walk, x0, o.inversion.options, *engine, console, stop);
  const HostArrayF again = walk_down(walk, x_T, *engine, console, stop);
  std::vector<Likeness> errors;
  for (int64_t i = 0; i < count; ++i) errors.push_back(likeness(x0.sample(i), again.sample(i), spec));
  const std::string text = parameters.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  write_safetensors(o.out, {{"x_T", DType::f32, x_T.shape(), std::as_bytes(x_T.data())}},
                    {{"inversion", text}});
  if (!o.reconstruct.empty()) write_reconstruction(o.reconstruct, to_images(again, spec));
  report(o, std::move(parameters), errors, way_back(o, walk, spec), console);
}

}  // namespace langevin::cli
