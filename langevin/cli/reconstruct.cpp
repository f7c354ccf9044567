// langevin reconstruct: pictures through an autoencoder's latents and back.
#include <algorithm>
#include <cmath>

#include "langevin/cli/command.h"
#include "langevin/cli/engine_options.h"
#include "langevin/cli/given_image.h"
#include "langevin/cli/samples_out.h"
#include "langevin/cli/sheet.h"
#include "langevin/core/atomic_file.h"
#include "langevin/core/config.h"
#include "langevin/core/signals.h"
#include "langevin/data/loader.h"
#include "langevin/model/pictures.h"
#include "langevin/model/vae_estimate.h"

namespace langevin::cli {
namespace {

constexpr int64_t kSheetPairs = 100, kUsual = 64;

struct ReconstructOptions {
  std::string model, data, out, grid;
  std::vector<std::string> images, set;
  std::optional<int64_t> count, batch;
  uint64_t seed = 0;
  bool draw = false, strict = false, force = false;
  BackendOptions backend;
  CommonOptions common;
};

constexpr const char* kExamples =
    "Examples:\n"
    "  langevin reconstruct runs/vae --data data/mnist --out out --grid pairs.png\n"
    "  langevin reconstruct runs/vae one.png two.png --out out\n"
    "  langevin reconstruct runs/vae --data photos/ -n 1000 --out reconstructed.npz\n"
    "The latent is the mean of what the encoder says; --draw takes a draw of it instead.";

void declare(CLI::App& app, ReconstructOptions& o) {
  app.add_option("model", o.model, "run folder, checkpoint or model file of an autoencoder")->required();
  app.add_option("images", o.images, "pictures to reconstruct, or give --data");
  app.add_option("--data", o.data, "a set of pictures, as for train");
  app.add_option("--out", o.out, "folder of PNG files, FILE.npz or FILE.safetensors")->required();
  app.add_option("-n,--count", o.count, "pictures of --data (default 64)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
  app.add_option("--grid", o.grid,
                 "FILE.png: pictures and what became of them side by side (up to 100 pairs)");
  app.add_flag("--draw", o.draw, "through a draw of the latent in place of its mean");
  app.add_option("--seed", o.seed, "of --draw (default 0)")->check(seed_range());
  app.add_option("--batch", o.batch, "pictures at once (default 64)")->check(CLI::Range(1, 65536));
  app.add_option("--set", o.set, "data.KEY=VALUE: how --data is prepared, as for train")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_flag("--strict", o.strict, "refuse images that are not of the model's size");
  app.add_flag("--force", o.force, "replace pictures that are there already");
  add_backend(app, o.backend);
  add_common(app, o.common);
  app.footer(kExamples);
}

/// Pictures by number, as the model sees them.
struct Given {
  int64_t count = 0;
  std::function<HostArrayF(int64_t first, int64_t count)> get;
};

Given given_images(const ReconstructOptions& o, const ModelSpec& spec, const Shape& shape, Console& console) {
  return {static_cast<int64_t>(o.images.size()), [&o, &spec, shape, &console](int64_t first, int64_t count) {
            HostArrayF x({count, shape[0], shape[1], shape[2]});
            for (int64_t i = 0; i < count; ++i) {
              const auto& file = o.images[static_cast<size_t>(first + i)];
              const HostArrayF one = read_given_image(file, spec, shape, o.strict, console);
              std::copy(one.data().begin(), one.data().end(), x.sample(i).begin());
            }
            return x;
          }};
}

Given given_data(const ReconstructOptions& o, const Shape& shape, Console& console) {
  DataOptions options;
  options.size = shape[1];
  options.width = shape[2];
  if (shape[0] == 4) options.channels = 4;
  options.threads = o.backend.engine.threads;
  Schema schema;
  register_data_options(schema, options);
  for (const std::string& assignment : o.set) schema.set(assignment);
  const auto data = open_dataset(o.data, options, console);
  check(data->spec().channels == shape[0], o.data,
        "has pictures of {} channels, {} of {}; --set data.channels={} converts them", data->spec().channels,
        o.model, shape[0], shape[0]);
  check(!o.strict || data->summary().resized == 0, o.data, "{} pictures are not {} x {}",
        data->summary().resized, shape[1], shape[2]);
  return {std::min(o.count.value_or(kUsual), data->size()), [data](int64_t first, int64_t count) {
            LoaderOptions loader;
            loader.batch = count;
            loader.shuffle = false;
            return make_batch(*data, data->spec(), loader, static_cast<uint64_t>(first)).images;
          }};
}

struct Outcome {
  int64_t done = 0;
  double square_error = 0;  // of 8-bit values
  int64_t values = 0;
  std::vector<Image> pairs;
};

Outcome run(const ReconstructOptions& o, const Given& given, const Shape& shape, Engine& engine,
            SampleOutput& out, Console& console, const StopSignal& stop) {
  Outcome outcome;
  Progress progress(console, "reconstructing", "images", given.count);
  while (outcome.done < given.count) {
    if (stop.requested()) {
      progress.finish();
      fail("stopped after {} of {} pictures: {}", outcome.done, given.count, out.left_behind(outcome.done));
    }
    const int64_t count = std::min(o.batch.value_or(64), given.count - outcome.done);
    const HostArrayF x = given.get(outcome.done, count);
    const auto q = engine.encode(x);
    std::vector<int64_t> indices;
    for (int64_t i = 0; i < count; ++i) indices.push_back(outcome.done + i);
    const HostArrayF y = engine.decode(o.draw ? draw_latents(q, indices, o.seed, 0) : q.mean);
    check(y.shape() == x.shape(), o.model, "decodes {} of pictures {}", to_string(y.shape()),
          to_string(x.shape()));
    out.add(y, {});
    for (int64_t i = 0; i < count; ++i) {
      const auto before = to_bytes(x.sample(i), shape, engine.spec()),
                 after = to_bytes(y.sample(i), shape, engine.spec());
      for (size_t j = 0; j < before.size(); ++j) {
        const double d = static_cast<double>(before[j]) - after[j];
        outcome.square_error += d * d;
      }
      outcome.values += static_cast<int64_t>(before.size());
      if (o.grid.empty() || outcome.done + i >= kSheetPairs) continue;
      outcome.pairs.push_back(to_image(x.sample(i), shape, engine.spec()));
      outcome.pairs.push_back(to_image(y.sample(i), shape, engine.spec()));
    }
    outcome.done += count;
    progress.update(outcome.done, outcome.done);
  }
  progress.finish();
  out.finish();
  return outcome;
}

}  // namespace

void reconstruct_verb(const Arguments& arguments) {
  ReconstructOptions o;
  CLI::App app("Send pictures through an autoencoder and back.", "langevin reconstruct");
  declare(app, o);
  if (!parse(app, arguments)) return;
  check_backend(o.backend);
  if (o.images.empty() == o.data.empty()) fail_usage("give either pictures or --data");
  if (!o.images.empty() && (o.count || !o.set.empty())) fail_usage("-n and --set belong to --data");

  const StopSignal stop;
  Console console(o.common.level());
  ModelFile model = open_named_model(o.model, console);
  const ModelSpec spec = model.spec;
  check(nn::is_autoencoder(spec.network), o.model, "is no autoencoder (langevin train --task vae)");
  const Shape input = nn::input_shape(spec.network, 1), shape(input.begin() + 1, input.end());
  const Given given = o.data.empty() ? given_images(o, spec, shape, console) : given_data(o, shape, console);
  if (!o.grid.empty()) {
    check_sheet(o.grid, shape[0]);
    check_writable(o.grid);
  }
  nlohmann::json json{{"model", o.model},
                      {"hash", model.metadata("xxh3")},
                      {"latent", o.draw ? "draw" : "mean"},
                      {"version", LANGEVIN_VERSION}};
  if (o.draw) json["seed"] = o.seed;
  const auto engine = open_engine(std::move(model), o.backend, console);
  const auto out = open_output({o.out, spec, shape, 0, given.count, false, false, o.force, json});
  const Outcome outcome = run(o, given, shape, *engine, *out, console, stop);
  if (!o.grid.empty()) write_sheet(o.grid, outcome.pairs);
  const double mse = outcome.square_error / static_cast<double>(std::max<int64_t>(1, outcome.values));
  const double psnr = mse > 0 ? 10 * std::log10(255 * 255 / mse) : std::nan("");
  json.update({{"out", o.out}, {"count", outcome.done}, {"rmse", std::sqrt(mse)}});
  json["psnr"] = mse > 0 ? nlohmann::json(psnr) : nlohmann::json(nullptr);
  if (!o.grid.empty()) json["grid"] = o.grid;
  if (o.common.json) return print_json(json);
  console.info(fmt::format("{} pictures in {}: root mean square error {:.2f} of 255{}", outcome.done, o.out,
                           std::sqrt(mse), mse > 0 ? fmt::format(", PSNR {:.2f} dB", psnr) : ""));
}

}  // namespace langevin::cli
