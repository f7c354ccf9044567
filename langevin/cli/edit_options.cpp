#include "langevin/cli/edit_options.h"

#include <algorithm>

#include "langevin/cli/given_image.h"

namespace langevin::cli {
namespace {

constexpr double kStrength = 0.5;
constexpr int64_t kInpaintSteps = 50;
constexpr int64_t kStretches = 25;  // of a RePaint walk, as many as the paper's 250 steps in jumps of 10

}  // namespace

void add_edit(CLI::App& app, EditOptions& o) {
  const auto option = [&](const char* name, auto& value, const std::string& text) {
    app.add_option(name, value, text)->group("Editing");
  };
  option("--from", o.from, "IMAGE to start from: noised by --strength, then sampled");
  option("--strength", o.strength,
         "of --from: 0 gives the image back, 1 begins with pure noise (default 0.5)");
  option("--inpaint", o.inpaint, "IMAGE to fill in where --mask is white; the rest stays exactly as it is");
  option("--mask", o.mask, "IMAGE of the same size: white where to fill in");
  option("--resample", o.resample, "of --inpaint: times that each stretch is walked (default 10)");
  option("--jump", o.jump, "of --inpaint: steps of a stretch (default: a 25th of --steps)");
  app.add_flag("--strict", o.strict, "refuse images that are not of the model's size")->group("Editing");
}

void check_edit(const EditOptions& o) {
  if (o.inpaint.empty() != o.mask.empty())
    fail_usage("--inpaint IMAGE and --mask IMAGE belong together: give both");
  if (o.inpaint.empty() && (o.resample || o.jump)) fail_usage("--resample and --jump belong to --inpaint");
  if (o.from.empty() && o.strength) fail_usage("--strength belongs to --from IMAGE");
  if (o.strict && o.from.empty() && o.inpaint.empty())
    fail_usage("--strict is about the images of --from and --inpaint");
  if (o.strength && !(*o.strength >= 0 && *o.strength <= 1))
    fail_usage("--strength: needs 0 to 1, got {}", *o.strength);
  as_usage([&] { check_repaint({o.resample.value_or(1), o.jump.value_or(1)}); });
}

SamplerWish edit_wish(const EditOptions& o, const ModelSpec& spec) {
  if (o.inpaint.empty() || !target_of(spec).schedule()) return {};
  return {kInpaintSteps, "ddpm"};
}

void put_edits(const EditOptions& o, const ModelSpec& spec, const Shape& shape, Console& console,
               SampleRequest& request) {
  if (!o.from.empty()) {
    request.sampler.strength = o.strength.value_or(kStrength);
    request.from = read_given_image(o.from, spec, shape, o.strict, console);
  }
  if (!o.inpaint.empty()) {
    MaskedImage masked = read_masked_image(o.inpaint, o.mask, spec, shape, o.strict, console);
    RepaintOptions repaint;
    repaint.resample = o.resample.value_or(repaint.resample);
    repaint.jump = o.jump.value_or(std::max<int64_t>(1, request.sampler.steps / kStretches));
    request.inpaint = Inpainting{std::move(masked.x0), std::move(masked.mask), repaint};
  }
}

nlohmann::json describe_edits(const EditOptions& o, const SampleRequest& request) {
  nlohmann::json json = nlohmann::json::object();
  if (!o.from.empty()) {
    json["from"] = o.from;
    json["strength"] = request.sampler.strength;
  }
  if (request.inpaint) {
    json["inpaint"] = o.inpaint;
    json["mask"] = o.mask;
    json["resample"] = request.inpaint->repaint.resample;
    json["jump"] = request.inpaint->repaint.jump;
  }
  return json;
}

}  // namespace langevin::cli
