#include "langevin/cli/walk.h"

#include <algorithm>
#include <cmath>

namespace langevin::cli {
namespace {

/// Each batch through `ask`, which puts its part of x into the request.
template <class F>
HostArrayF in_batches(const Walk& walk, const HostArrayF& x, const std::string& label, Engine& engine,
                      Console& console, const StopSignal& stop, F&& ask) {
  Progress progress(console, label, "images", 0);
  HostArrayF out(x.shape());
  int64_t calls = 0;
  for (int64_t first = 0; first < x.batch(); first += walk.batch) {
    SampleRequest request = walk.request;
    request.count = std::min(walk.batch, x.batch() - first);
    request.first_sample = static_cast<uint64_t>(first);
    if (!walk.labels.empty())
      request.labels.assign(walk.labels.begin() + first, walk.labels.begin() + first + request.count);
    ask(request, rows(x, first, request.count));
    const HostArrayF part = engine.sample(request, [&](const StepInfo<HostArrayF>&) {
      progress.update(++calls, first);
      return !stop.requested();
    });
    if (stop.requested()) {
      progress.finish();
      fail("stopped while {}: nothing was written", label);
    }
    std::copy(part.data().begin(), part.data().end(), out.data().begin() + first * x.sample_size());
  }
  progress.finish();
  return out;
}

}  // namespace

int64_t usual_batch(const Shape& shape) {
  const int64_t fitting = 64 * 32 * 32 / std::max<int64_t>(1, shape.at(1) * shape.at(2));
  return std::clamp<int64_t>(fitting, 1, 64);
}

Shape picture_shape(const ModelSpec& spec, const std::string& model, const std::string& verb) {
  const Shape input = nn::input_shape(spec.network, 1);
  check(input.size() == 4, model, "is a model of sequences; {} is about pictures (see langevin forward)",
        verb);
  return {input.begin() + 1, input.end()};
}

std::vector<int64_t> walk_labels(const ConditionOptions& o, const ModelSpec& spec, const std::string& model,
                                 int64_t count) {
  const std::vector<int64_t> all = chosen_classes(o, spec, model);
  if (o.classes.empty()) {
    check(all.empty() || spec.null_class, "--class",
          "{} is of classes and was trained without a null class: say which is meant", model);
    return {};
  }
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < count; ++i) labels.push_back(all[static_cast<size_t>(i) % all.size()]);
  return labels;
}

GuidanceConfig walk_guidance(const ConditionOptions& o, const ModelSpec& spec, const std::string& model,
                             bool labelled) {
  const bool asked = o.guidance || o.rescale || !o.interval.empty() || !o.negative.empty();
  if (!labelled && asked && nn::class_count(spec.network) > 0)
    fail_usage("--guidance and what belongs to it do nothing without --class");
  return chosen_guidance(o, spec, model, labelled);
}

HostArrayF walk_down(const Walk& walk, const HostArrayF& x_T, Engine& engine, Console& console,
                     const StopSignal& stop) {
  return in_batches(walk, x_T, "sampling", engine, console, stop,
                    [](SampleRequest& request, HostArrayF part) { request.x_T = std::move(part); });
}

HostArrayF walk_up(const Walk& walk, const HostArrayF& x0, const InversionOptions& options, Engine& engine,
                   Console& console, const StopSignal& stop) {
  return in_batches(walk, x0, "inverting", engine, console, stop,
                    [&](SampleRequest& request, HostArrayF part) {
                      request.from = std::move(part);
                      request.invert = options;
                    });
}

Likeness likeness(std::span<const float> a, std::span<const float> b, const ModelSpec& spec) {
  check(a.size() == b.size() && !a.empty(), "likeness",
        "needs two pictures of one size, got {} and {} values", a.size(), b.size());
  double square = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = (static_cast<double>(a[i]) - static_cast<double>(b[i])) * spec.normaliser_scale;
    square += difference * difference;
  }
  Likeness out{std::sqrt(square / static_cast<double>(a.size())), {}};
  if (out.rmse > 0) out.psnr = 20 * std::log10(255 / out.rmse);
  return out;
}

std::string to_string(const Likeness& l) {
  return l.psnr ? fmt::format("rmse {:.3g} of 255, PSNR {:.1f} dB", l.rmse, *l.psnr) : "the same";
}

}  // namespace langevin::cli
