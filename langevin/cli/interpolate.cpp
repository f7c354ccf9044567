// langevin interpolate: from one sample to another along the noise they are made of.
#include <algorithm>
#include <charconv>

#include "langevin/cli/command.h"
#include "langevin/cli/engine_options.h"
#include "langevin/cli/given_image.h"
#include "langevin/cli/inversion_options.h"
#include "langevin/core/atomic_file.h"
#include "langevin/core/names.h"
#include "langevin/io/gif.h"
#include "langevin/io/grid.h"
#include "langevin/io/png.h"
#include "langevin/model/pictures.h"
#include "langevin/sample/slerp.h"

namespace langevin::cli {
namespace {

constexpr int64_t kStrip = 9, kFrames = 24;  // where -n is left out
constexpr int kFrameMs = 80, kHoldMs = 800;

struct InterpolateOptions {
  std::string model, out, seeds;
  std::vector<std::string> images;
  std::optional<int64_t> count, iterations;
  SamplerOptions sampler;
  ConditionOptions condition;
  bool strict = false;
  BackendOptions backend;
  CommonOptions common;
};

constexpr const char* kExamples =
    "Examples:\n"
    "  langevin interpolate runs/a --seeds 3,8 --class 7 --out between.png\n"
    "  langevin interpolate runs/a --seeds 3,8 -n 40 --sampler dpmsolver++ --steps 20 --out between.gif\n"
    "  langevin interpolate runs/a --images one.png two.png --steps 200 --out between.gif\n"
    "  langevin interpolate runs/vae --images one.png two.png --out between.png    (through its latents)\n"
    "The first and last picture are those of `langevin sample --seed A -n 1`, or the images as far as\n"
    "inversion brings them back (see langevin invert).";

void declare(CLI::App& app, InterpolateOptions& o) {
  app.add_option("model", o.model, "run folder, checkpoint or model file")->required();
  app.add_option("--seeds", o.seeds, "A,B: from sample 0 of seed A to that of seed B");
  app.add_option("--images", o.images, "two images to go between, inverted first")->expected(2);
  app.add_option("--out", o.out,
                 "FILE.png (a strip), FILE.gif (there and back) or FILE.safetensors (x_0, x_T)")
      ->required();
  app.add_option("-n,--count", o.count, "pictures with both ends (default 9, of a GIF 24)");
  app.add_option("--iterations", o.iterations, "--images: calls a step of the way up (default 3)");
  add_sampler(app, o.sampler);
  add_condition(app, o.condition);
  app.add_flag("--strict", o.strict, "refuse images that are not of the model's size");
  add_backend(app, o.backend);
  add_common(app, o.common);
  app.footer(kExamples);
}

struct Seeds {
  uint64_t a = 0, b = 0;
};

Seeds parse_seeds(const std::string& text) {
  Seeds seeds;
  const char *end = text.data() + text.size(), *comma = std::find(text.data(), end, ',');
  const auto first = std::from_chars(text.data(), comma, seeds.a);
  const auto second = comma == end ? first : std::from_chars(comma + 1, end, seeds.b);
  if (comma == end || first.ec != std::errc() || first.ptr != comma || second.ec != std::errc() ||
      second.ptr != end)
    fail_usage("--seeds: needs A,B with whole numbers from 0 to 2^64 - 1, got '{}'", one_line(text));
  return seeds;
}

int64_t checked_count(const InterpolateOptions& o) {
  const bool gif = o.out.ends_with(".gif");
  if (!gif && !o.out.ends_with(".png") && !o.out.ends_with(".safetensors"))
    fail_usage("--out: '{}' must end in .png, .gif or .safetensors", o.out);
  if (o.seeds.empty() == o.images.empty()) fail_usage("give either --seeds A,B or --images A B");
  if (o.images.empty() && (o.iterations || o.strict))
    fail_usage("--iterations and --strict belong to --images");
  const int64_t count = o.count.value_or(gif ? kFrames : kStrip);
  if (count < 2 || count > 1000) fail_usage("-n: needs 2 to 1000 pictures, got {}", count);
  return count;
}

/// A sampler that draws would make a flicker of the way.
void check_deterministic(const SamplerConfig& config) {
  if (sampler_info(config.name).stochastic || sampler_eta(config) > 0 || config.s_churn > 0)
    fail_usage(
        "--sampler {}: draws noise on its way; take a deterministic one (see langevin sample "
        "--list-samplers), without --eta and --churn",
        config.name);
}

/// The way from seeds is that of sample; from images that of invert. Returns how images are inverted.
InversionChoice set_walk(const InterpolateOptions& o, const ModelSpec& spec, int64_t count, Walk& walk) {
  InversionChoice inversion;
  if (!o.images.empty()) {
    SamplerOptions beside = o.sampler;
    beside.steps.reset();
    beside.spacing.reset();
    if (!(beside == SamplerOptions{}))
      fail_usage(
          "--images: goes back by the steps of ddim; of the sampler's options only --steps and "
          "--spacing are free");
    inversion.steps = o.sampler.steps.value_or(inversion.steps);
    inversion.spacing = o.sampler.spacing.value_or("");
    inversion.options.iterations = o.iterations.value_or(inversion.options.iterations);
    check_inversion(inversion);
    set_inversion(inversion, o.condition, spec, o.model, count, walk);
  } else {
    walk.request.sampler = chosen_sampler(o.sampler, spec);
    check_deterministic(walk.request.sampler);
    walk.request.threshold = chosen_threshold(o.condition, spec, walk.request.sampler);
    walk.labels = walk_labels(o.condition, spec, o.model, count);
    walk.request.guidance = walk_guidance(o.condition, spec, o.model, !walk.labels.empty());
    walk.batch = usual_batch(walk.shape);
  }
  if (std::adjacent_find(walk.labels.begin(), walk.labels.end(), std::not_equal_to<>()) != walk.labels.end())
    fail_usage("--class: the whole way is of one class; give one");
  return inversion;
}

struct Ends {
  HostArrayF a, b;  // x_T (1,C,H,W)
};

Ends noise_of_seeds(const std::string& text, const Shape& shape) {
  const Seeds seeds = parse_seeds(text);
  const HostArrayF like({1, shape[0], shape[1], shape[2]});
  return {initial_noise(like, seeds.a, 0), initial_noise(like, seeds.b, 0)};
}

/// (2,C,H,W).
HostArrayF read_both(const InterpolateOptions& o, const ModelSpec& spec, const Shape& shape,
                     Console& console) {
  HostArrayF both({2, shape[0], shape[1], shape[2]});
  for (int64_t i = 0; i < 2; ++i) {
    const HostArrayF one = read_given_image(o.images[static_cast<size_t>(i)], spec, shape, o.strict, console);
    std::copy(one.data().begin(), one.data().end(), both.sample(i).begin());
  }
  return both;
}

/// x_T (count,C,H,W) from one end to the other.
HostArrayF way(const Ends& ends, int64_t count) {
  Shape shape = ends.a.shape();
  shape[0] = count;
  HostArrayF all(shape);
  for (int64_t i = 0; i < count; ++i) {
    const HostArrayF x = slerp(ends.a, ends.b, static_cast<double>(i) / static_cast<double>(count - 1));
    std::copy(x.data().begin(), x.data().end(), all.sample(i).begin());
  }
  return all;
}

std::vector<Image> enlarged(const std::vector<Image>& images, int side) {
  const int factor = std::clamp(side / std::max(images[0].width, images[0].height), 1, 8);
  std::vector<Image> out;
  for (const Image& image : images) out.push_back(upscale_nearest(image, factor));
  return out;
}

/// There and back, resting at both ends.
void write_frames(const std::string& file, const std::vector<Image>& images) {
  const std::vector<Image> frames = enlarged(images, 192);
  std::vector<Image> looked_at;
  for (size_t part = 0; part <= 4; ++part) looked_at.push_back(frames[(frames.size() - 1) * part / 4]);
  AtomicFile out(file);
  GifWriter gif([&](std::span<const std::byte> bytes) { out.write(bytes); }, frames[0].width,
                frames[0].height, gif_palette(looked_at), true);
  const size_t n = frames.size();
  for (size_t i = 0; i < n; ++i) gif.add(frames[i], i == 0 || i + 1 == n ? kHoldMs : kFrameMs);
  for (size_t i = n - 1; i-- > 1;) gif.add(frames[i], kFrameMs);
  gif.finish();
  out.commit();
}

void write_way(const std::string& file, const HostArrayF& x_T, const HostArrayF& x0, const ModelSpec& spec,
               const nlohmann::json& parameters) {
  if (file.ends_with(".safetensors")) {
    const std::string text = parameters.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
    return write_safetensors(file,
                             {{"x_0", DType::f32, x0.shape(), std::as_bytes(x0.data())},
                              {"x_T", DType::f32, x_T.shape(), std::as_bytes(x_T.data())}},
                             {{"interpolation", text}});
  }
  const std::vector<Image> images = to_images(x0, spec);
  if (file.ends_with(".gif")) return write_frames(file, images);
  const int columns = std::min<int>(static_cast<int>(images.size()), 16);
  write_png(file, make_grid(enlarged(images, 64), columns), {{"Software", "langevin"}});
}

nlohmann::json parameters_of(const InterpolateOptions& o, const Walk& walk, const ModelFile& model,
                             int64_t count) {
  nlohmann::json json{{"model", o.model},
                      {"hash", model.metadata("xxh3")},
                      {"sampler", describe_sampler(walk.request.sampler)},
                      {"count", count},
                      {"version", LANGEVIN_VERSION}};
  json.update(describe_threshold(walk.request.threshold));
  if (!o.seeds.empty()) json["seeds"] = o.seeds;
  if (!o.images.empty()) json["images"] = o.images;
  if (!walk.labels.empty()) {
    json["class_index"] = walk.labels[0];
    json.update(describe_guidance(walk.request.guidance, model.spec));
  }
  return json;
}

/// How well images come back at the ends of the way, for a person and for a program.
void report_ends(const InterpolateOptions& o, const HostArrayF& given, const HostArrayF& x0,
                 const ModelSpec& spec, Console& console, nlohmann::json& json) {
  json["reconstructions"] = nlohmann::json::array();
  for (int64_t i = 0; i < 2; ++i) {
    const Likeness l = likeness(given.sample(i), x0.sample(i == 0 ? 0 : x0.batch() - 1), spec);
    const std::string& image = o.images[static_cast<size_t>(i)];
    json["reconstructions"].push_back({{"image", image}, {"rmse", l.rmse}});
    if (l.psnr) json["reconstructions"].back()["psnr"] = *l.psnr;
    if (!o.common.json) console.info(fmt::format("{}: reconstructed with {}", image, to_string(l)));
  }
}

/// Of an autoencoder: along its latents, from draws of the prior or from what two images become.
void interpolate_latents(const InterpolateOptions& o, ModelFile model, int64_t count, Console& console) {
  const ModelSpec spec = model.spec;
  const Shape shape = picture_shape(spec, o.model, "interpolate");
  if (!(o.sampler == SamplerOptions{}) || o.iterations)
    fail_usage("an autoencoder's latents have no steps: leave the sampler's options and --iterations out");
  check(!o.images.empty() || spec.vae.has_value(), o.model,
        "is an autoencoder whose latents another model draws; give --images A B");
  check_writable(o.out);
  std::optional<HostArrayF> given;
  if (!o.images.empty()) given = read_both(o, spec, shape, console);
  nlohmann::json json{
      {"model", o.model}, {"hash", model.metadata("xxh3")}, {"count", count}, {"version", LANGEVIN_VERSION}};
  if (!o.seeds.empty()) json["seeds"] = o.seeds;
  if (!o.images.empty()) json["images"] = o.images;
  const auto engine = open_engine(std::move(model), o.backend, console);
  Ends ends;
  if (given) {
    const HostArrayF z = engine->encode(*given).mean;
    ends = {rows(z, 0, 1), rows(z, 1, 1)};
  } else {
    const Seeds seeds = parse_seeds(o.seeds);
    const HostArrayF like(nn::latent_shape(spec.network, nn::input_shape(spec.network, 1)));
    ends = {initial_noise(like, seeds.a, 0), initial_noise(like, seeds.b, 0)};
  }
  const HostArrayF z = way(ends, count), x0 = engine->decode(z);
  write_way(o.out, z, x0, spec, json);
  if (given) report_ends(o, *given, x0, spec, console, json);
  json["out"] = o.out;
  if (o.common.json) return print_json(json);
  console.info(fmt::format("{} pictures: {}", count, o.out));
}

}  // namespace

void interpolate_verb(const Arguments& arguments) {
  InterpolateOptions o;
  CLI::App app("Go from one picture to another through the noise they are made of.", "langevin interpolate");
  declare(app, o);
  if (!parse(app, arguments)) return;
  check_backend(o.backend);
  const int64_t count = checked_count(o);

  const StopSignal stop;
  Console console(o.common.level());
  ModelFile model = open_named_model(o.model, console);
  const ModelSpec spec = model.spec;
  if (nn::is_autoencoder(spec.network)) return interpolate_latents(o, std::move(model), count, console);
  Walk walk;
  walk.shape = picture_shape(spec, o.model, "interpolate");
  if (!o.out.ends_with(".safetensors"))
    check(walk.shape[0] == 1 || walk.shape[0] == 3 || walk.shape[0] == 4, o.out,
          "samples with {} channels are no pictures; give FILE.safetensors", walk.shape[0]);
  const InversionChoice inversion = set_walk(o, spec, count, walk);
  std::optional<HostArrayF> given;
  Ends ends;
  if (o.images.empty()) ends = noise_of_seeds(o.seeds, walk.shape);
  if (!o.images.empty()) given = read_both(o, spec, walk.shape, console);
  check_writable(o.out);
  nlohmann::json json = parameters_of(o, walk, model, count);
  const auto engine = open_engine(std::move(model), o.backend, console);

  if (given) {
    const HostArrayF x_T = walk_up(walk, *given, inversion.options, *engine, console, stop);
    ends = {rows(x_T, 0, 1), rows(x_T, 1, 1)};
  }
  const HostArrayF x_T = way(ends, count), x0 = walk_down(walk, x_T, *engine, console, stop);
  write_way(o.out, x_T, x0, spec, json);
  if (given) report_ends(o, *given, x0, spec, console, json);
  json["out"] = o.out;
  if (o.common.json) return print_json(json);
  console.info(fmt::format("{} pictures: {}", count, o.out));
}

}  // namespace langevin::cli
