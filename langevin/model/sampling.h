// From a sample request to samples, the same for every backend: guidance, denoiser, threshold, noise,
// sampler. A backend gives a network on its own arrays and the way to them and back.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "langevin/model/engine.h"
#include "langevin/sample/classifier_guidance.h"
#include "langevin/sample/guidance.h"

namespace langevin {

/// One call: x (B,...), t (B), what the network is conditioned on -> its raw output, shaped like x.
template <class A>
using NetworkCall = Network<A>;

struct SamplingConditions {
  bool conditional = false;  // the network takes class labels
  int64_t null_label = -1;   // -1: the network was trained without a null class
  GuidanceConfig guidance;   // null_label: what it goes away from
  LevelFunction level = {};  // where the network is told that number
};

/// x above y along the batch, and `count` samples of x from `first`, for HostArray; other arrays bring
/// theirs.
template <class T>
HostArray<T> stack(const HostArray<T>& x, const HostArray<T>& y) {
  Shape shape = x.shape();
  shape.at(0) += y.batch();
  std::vector<T> data(x.data().begin(), x.data().end());
  data.insert(data.end(), y.data().begin(), y.data().end());
  return {std::move(shape), std::move(data)};
}
template <class T>
HostArray<T> samples(const HostArray<T>& x, int64_t first, int64_t count) {
  return rows(x, first, count);
}

/// `call` as the Network of a denoiser. With guidance and labels given, one call over both halves of a batch
/// of 2 B is combined as guided_denoiser does with two; rescaling is applied to the network's own output. A
/// class-conditional network called without labels gets the null class.
template <Array A>
Network<A> sampling_network(NetworkCall<A> call, SamplingConditions c) {
  return [call = std::move(call), c](const A& x, const std::vector<double>& t, const Cond<A>& cond) -> A {
    Cond<A> given = cond;
    std::vector<int64_t>& labels = given.class_labels;
    if (!c.conditional) labels.clear();
    if (c.conditional && labels.empty()) {
      check(c.null_label >= 0, "sample",
            "the model is class-conditional and was trained without a null class: give classes");
      labels.assign(t.size(), c.null_label);
      return call(x, t, given);
    }
    const GuidanceConfig& g = c.guidance;
    if (!c.conditional || g.scale == 1 || !guides_at(g, c.level(t.front()))) return call(x, t, given);
    check(g.null_label >= 0, "sample",
          "guidance needs a model trained with a null class (diffusion.label_dropout > 0)");
    const std::vector<int64_t> none(t.size(), g.null_label);
    if (g.scale == 0) {
      labels = none;
      return call(x, t, given);
    }
    const int64_t batch = batch_size(x);
    std::vector<double> times = t;
    times.insert(times.end(), t.begin(), t.end());
    labels.insert(labels.end(), none.begin(), none.end());
    each_condition(
        [](std::optional<A>& value) {
          if (value) value = stack(*value, *value);
        },
        given);
    const A both = call(stack(x, x), times, given);
    // What is guided is the prediction; a learned variance stays that of the class.
    const NetworkOutput<A> with = split_output(samples(both, 0, batch), shape_of(x)),
                           without = split_output(samples(both, batch, batch), shape_of(x));
    A guided = guide(without.value, with.value, g.scale);
    if (g.rescale > 0) guided = rescale_guided(guided, with.value, g.rescale);
    return with.variance ? join_channels(guided, *with.variance) : guided;
  };
}

template <class A>
struct SamplingBackend {
  NetworkCall<A> network;
  std::function<A(const Shape& shape)> empty;  // an array of that shape, whatever it holds
  std::function<A(const HostArrayF& x)> from_host;
  std::function<HostArrayF(const A& x)> to_host;
  ClassifierGradient<A> classifier = {};  // empty: there is none
};

/// Walks of a request through a denoiser whose arrays are A: x_0, or of an inversion x_T.
template <Array A>
A sample_walk(const SamplingBackend<A>& backend, const Shape& shape, const Target& target,
              const SampleRequest& request, const Denoiser<A>& denoiser, const SampleContext<A>& context) {
  const SamplerConfig& sampler = request.sampler;
  const PointGrid grid = sampler_points(sampler, target);
  if (request.invert) {
    const A x = ddim_inversion(denoiser, backend.from_host(*request.from), grid, *request.invert, context);
    return lincomb(1 / starting_scale(sampler, grid.front()), x);
  }
  A x = request.x_T ? backend.from_host(*request.x_T)
                    : initial_noise(backend.empty(shape), request.seed, request.first_sample);
  if (request.from && sampler.strength < 1) x = noised_to(grid.front(), backend.from_host(*request.from), x);
  if (!request.inpaint) return run_sampler(sampler, denoiser, target, std::move(x), context);
  const Known<A> known{backend.from_host(request.inpaint->x0), backend.from_host(request.inpaint->mask)};
  const auto steps = static_cast<int64_t>(grid.size()) - 1;
  if (steps < 1) return select(known.mask, x, known.x0);
  if (sampler.strength == 1) x = lincomb(starting_scale(sampler, grid.front()), x);
  const RepaintOptions& options = request.inpaint->repaint;
  return repaint(denoiser, single_step<A>(sampler, target.path(), steps), std::move(x), grid, known, options,
                 repaint_calls(sampler, grid, options), context);
}

/// x_0 (count, C, H, W), of an inversion x_T; `target` is the model's (target_of). Error as check_request
/// says, and what the backend throws.
template <Array A>
HostArrayF sample_request(const SamplingBackend<A>& backend, const ModelSpec& spec, const Target& target,
                          const SampleRequest& request, const Observer<HostArrayF>& observer) {
  check_request(spec, request);
  const LevelFunction level = [&target](double t) { return target.level(t); };
  SamplingConditions conditions{nn::class_count(spec.network) > 0, null_label(spec), request.guidance,
                                [&target](double told) { return target.level_of_told(told); }};
  if (conditions.guidance.null_label < 0) conditions.guidance.null_label = conditions.null_label;
  Denoiser<A> denoiser = make_denoiser(sampling_network<A>(backend.network, conditions), target);
  if (!request.guided_to.empty() && request.classifier_scale != 0) {
    check(static_cast<bool>(backend.classifier), "sample", "there is no classifier to be guided by");
    denoiser = classifier_guided_denoiser(std::move(denoiser), backend.classifier, level, request.guided_to,
                                          request.classifier_scale);
  }
  denoiser = threshold_denoiser(std::move(denoiser), level, request.threshold);
  SampleContext<A> context{request.seed, request.first_sample, {.class_labels = request.labels}, {}};
  each_condition(
      [&](std::optional<A>& to, const std::optional<HostArrayF>& from) {
        if (from) to = backend.from_host(*from);
      },
      context.cond, request.cond);
  if (observer) {
    context.observer = [&](const StepInfo<A>& info) {
      const HostArrayF x_t = backend.to_host(info.x_t), x0 = backend.to_host(info.x0);
      return observer({info.step, info.steps, info.t, x_t, x0});
    };
  }
  const Shape shape = nn::input_shape(spec.network, request.count);
  return backend.to_host(sample_walk(backend, shape, target, request, denoiser, context));
}

}  // namespace langevin
