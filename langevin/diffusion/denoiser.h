// The one shape every sampler sees (contract 2): a denoiser says of x_t at time t what x_0 and eps are.
// Guidance, thresholding and editing take a denoiser and return a denoiser.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "langevin/diffusion/conditions.h"
#include "langevin/diffusion/prediction.h"
#include "langevin/diffusion/schedule.h"

namespace langevin {

/// What the samples of a batch are asked to be.
template <class A>
struct Cond {
  std::vector<int64_t> class_labels = {};  // empty: unconditional; otherwise one per sample, 0-based
  std::optional<A> global_cond = {};       // (B,D), what each sample is conditioned on: observations
  std::optional<A> context = {};        // (B,S,D), tokens to attend to: an encoded text, observations in turn
  std::optional<A> class_vectors = {};  // (B,D), a class as a vector; (B,1) where it is a number
  std::optional<A> text_embeds = {};    // (B,D), a text as one vector
  std::optional<A> time_ids = {};       // (B,K), picture sizes and crops
  std::optional<A> timestep_cond = {};  // (B,D), an embedding of the guidance scale
};

/// x_t (B, ...), t in [0, T-1] for the whole batch -> x0 and eps, each (B, ...).
template <class A>
using Denoiser = std::function<Prediction<A>(const A& x_t, double t, const Cond<A>& cond)>;

/// The amplitudes at a denoiser's t.
using LevelFunction = std::function<Level(double t)>;

/// A network's raw output, (B, ...) like x_t, or with twice its channels where the second half is a learned
/// variance (variance.h); t per sample (B values), an index of the schedule as a double.
template <class A>
using Network = std::function<A(const A& x_t, const std::vector<double>& t, const Cond<A>& cond)>;

/// Throws unless every condition is absent or has exactly one row per sample of x.
template <Array A>
void check_cond(const A& x, const Cond<A>& cond) {
  check(cond.class_labels.empty() || static_cast<int64_t>(cond.class_labels.size()) == batch_size(x), "Cond",
        "needs no class labels or one per sample ({}), got {}", batch_size(x), cond.class_labels.size());
  each_condition(
      [&](const std::optional<A>& value) {
        check(!value || batch_size(*value) == batch_size(x), "Cond",
              "a condition needs one row per sample ({}), got {}", batch_size(x),
              value ? to_string(Shape(shape_of(*value))) : "");
      },
      cond);
}

/// A network's output taken apart. `variance` is empty where the output has x's shape; Error where it has
/// neither that nor twice its channels.
template <class A>
struct NetworkOutput {
  A value;
  std::optional<A> variance = {};
};
template <Array A>
NetworkOutput<A> split_output(A output, const Shape& x) {
  const Shape shape = shape_of(output);
  if (shape == x) return {std::move(output), {}};
  Shape doubled = x;
  if (doubled.size() > 1) doubled[1] *= 2;
  check(shape == doubled && x.size() > 1, "make_denoiser",
        "the network must return x_t's shape {} or twice its channels, got {}", to_string(x),
        to_string(shape));
  return {channels(output, 0, x[1]), channels(output, x[1], x[1])};
}

/// A network with its schedule and prediction type is a denoiser. The result throws when the labels do not
/// fit the batch or the network's output is neither of x_t's shape nor that with a learned variance.
template <Array A>
Denoiser<A> make_denoiser(Network<A> network, Schedule schedule, PredictionType type) {
  check(static_cast<bool>(network), "make_denoiser", "the network is empty");
  return [network = std::move(network), schedule = std::move(schedule), type](const A& x_t, double t,
                                                                              const Cond<A>& cond) {
    check_cond(x_t, cond);
    const Shape shape = shape_of(x_t);
    const std::vector<double> times(static_cast<size_t>(batch_size(x_t)), t);
    NetworkOutput<A> output = split_output(network(x_t, times, cond), shape);
    Prediction<A> prediction = to_prediction(output.value, x_t, schedule.level(t), type);
    prediction.variance = std::move(output.variance);
    return prediction;
  };
}

/// The best possible denoiser of data x_0 ~ N(mean, stddev^2) (every element alike): with x_t = alpha x_0 +
/// sigma eps all is jointly Gaussian, so
///   E[x_0 | x_t] = mean + alpha stddev^2 / (alpha^2 stddev^2 + sigma^2) (x_t - alpha mean)
/// (conditioning of a Gaussian: Bishop 2006, eq. 2.81) and E[eps | x_t] follows from x_t = alpha x_0 + sigma
/// eps.
template <Array A>
Denoiser<A> gaussian_denoiser(Schedule schedule, Coef mean, Coef stddev) {
  return [schedule = std::move(schedule), mean, stddev](const A& x_t, double t, const Cond<A>&) {
    const Level level = schedule.level(t);
    const double alpha = level.alpha[0], sigma = level.sigma[0];
    const Coef gain =
        map_coef([=](double s) { return alpha * s * s / (alpha * alpha * s * s + sigma * sigma); }, stddev);
    const Coef rest = map_coef([=](double k) { return 1 - k * alpha; }, gain);
    const A mean_array = clamp(lincomb(0.0, x_t), mean, mean);  // mean in every element
    const A x0 = lincomb(gain, x_t, rest, mean_array);
    return Prediction<A>{x0, eps_from_x0(x_t, x0, level)};
  };
}

/// The same for data with its own mean and standard deviation in each element of a sample (D values each), on
/// plain memory. Throws when a sample of x_t has not D elements.
template <class T>
Denoiser<HostArray<T>> diagonal_gaussian_denoiser(Schedule schedule, std::vector<double> mean,
                                                  std::vector<double> stddev) {
  check(mean.size() == stddev.size(), "diagonal_gaussian_denoiser", "{} means but {} standard deviations",
        mean.size(), stddev.size());
  return [schedule = std::move(schedule), mean = std::move(mean), stddev = std::move(stddev)](
             const HostArray<T>& x_t, double t, const Cond<HostArray<T>>&) {
    check(x_t.sample_size() == static_cast<int64_t>(mean.size()), "diagonal_gaussian_denoiser",
          "a sample has {} elements, the data {}", x_t.sample_size(), mean.size());
    const Level level = schedule.level(t);
    const double alpha = level.alpha[0], sigma = level.sigma[0];
    HostArray<T> x0 = x_t;
    for (int64_t i = 0; i < x0.batch(); ++i) {
      auto sample = x0.sample(i);
      for (size_t j = 0; j < mean.size(); ++j) {
        const double s2 = stddev[j] * stddev[j];
        const double gain = alpha * s2 / (alpha * alpha * s2 + sigma * sigma);
        sample[j] = static_cast<T>(mean[j] + gain * (static_cast<double>(sample[j]) - alpha * mean[j]));
      }
    }
    HostArray<T> eps = eps_from_x0(x_t, x0, level);
    return Prediction<HostArray<T>>{std::move(x0), std::move(eps)};
  };
}

}  // namespace langevin
