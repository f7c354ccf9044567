// From a sample request to samples, the same for every backend: guidance, denoiser, threshold, noise,
// sampler. A backend gives a network on its own arrays and the way to them and back.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "langevin/model/engine.h"
#include "langevin/sample/guidance.h"

namespace langevin {

/// One call: x (B,...), t (B), what the network is conditioned on -> its raw output, shaped like x.
template <class A>
using NetworkCall = Network<A>;

struct SamplingConditions {
  bool conditional = false;  // the network takes class labels
  double guidance = 1;
  int64_t null_label = -1;  // -1: the network was trained without a null class
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

/// `call` as the Network of a denoiser. With guidance != 1 and labels given, one call over both halves of a
/// batch of 2 B is combined as unconditional + guidance (conditional - unconditional): Ho & Salimans
/// 2207.12598, eq. 6. A class-conditional network called without labels gets the null class.
template <Array A>
Network<A> sampling_network(NetworkCall<A> call, SamplingConditions c) {
  return [call = std::move(call), c](const A& x, const std::vector<double>& t, const Cond<A>& cond) -> A {
    Cond<A> given = cond;
    std::vector<int64_t>& labels = given.class_labels;
    if (!c.conditional) labels.clear();
    const std::vector<int64_t> none(t.size(), c.null_label);
    if (c.conditional && labels.empty()) {
      check(c.null_label >= 0, "sample",
            "the model is class-conditional and was trained without a null class: give classes");
      labels = none;
      return call(x, t, given);
    }
    if (!c.conditional || c.guidance == 1) return call(x, t, given);
    check(c.null_label >= 0, "sample",
          "guidance needs a model trained with a null class (diffusion.label_dropout > 0)");
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
    return guide(samples(both, batch, batch), samples(both, 0, batch), c.guidance);
  };
}

template <class A>
struct SamplingBackend {
  NetworkCall<A> network;
  std::function<A(const Shape& shape)> empty;  // an array of that shape, whatever it holds
  std::function<A(const HostArrayF& x)> from_host;
  std::function<HostArrayF(const A& x)> to_host;
};

/// x_0 (count, C, H, W); `target` is the model's (target_of). Error as check_request says, and what the
/// backend throws.
template <Array A>
HostArrayF sample_request(const SamplingBackend<A>& backend, const ModelSpec& spec, const Target& target,
                          const SampleRequest& request, const Observer<HostArrayF>& observer) {
  check_request(spec, request);
  const SamplingConditions conditions{nn::class_count(spec.network) > 0, request.guidance, null_label(spec)};
  Denoiser<A> denoiser = make_denoiser(sampling_network<A>(backend.network, conditions), target);
  const LevelFunction level = [&target](double t) { return target.level(t); };
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
  A x_T = request.x_T ? backend.from_host(*request.x_T)
                      : initial_noise(backend.empty(nn::input_shape(spec.network, request.count)),
                                      request.seed, request.first_sample);
  return backend.to_host(run_sampler(request.sampler, denoiser, target, std::move(x_T), context));
}

}  // namespace langevin
