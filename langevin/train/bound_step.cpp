#include "langevin/train/bound_step.h"

#include <cmath>
#include <limits>
#include <numbers>

#include "langevin/diffusion/bound.h"
#include "langevin/diffusion/timesteps.h"
#include "langevin/torch/network_call.h"

namespace langevin {
namespace {

/// f(t) of each sample, (B,1,1,1) in double.
template <class F>
at::Tensor each(const std::vector<int64_t>& t, const at::Tensor& like, F&& f) {
  std::vector<double> values;
  values.reserve(t.size());
  for (const int64_t at : t) values.push_back(f(at));
  std::vector<int64_t> shape(static_cast<size_t>(like.dim()), 1);
  shape[0] = like.size(0);
  return at::tensor(at::ArrayRef<double>(values), at::kDouble).view(shape).to(like.device());
}

/// -log of the bins' probabilities under N(mean, e^log_variance), as log_bin_gaussian has it. Ends of
/// infinity are far ends: a difference of logarithms has no gradient there, and no NaN.
at::Tensor decoder_nats(const at::Tensor& x, const at::Tensor& mean, const at::Tensor& log_variance) {
  constexpr double far = 1e3;
  const Bins bins;
  const double half = bins.step() / 2;
  const at::Tensor inverse = (-0.5 * log_variance).exp();
  at::Tensor from = (x - half - mean) * inverse, to = (x + half - mean) * inverse;
  from = at::where(x < bins.lo + half, at::full_like(from, -far), from);
  to = at::where(x > bins.hi - half, at::full_like(to, far), to);
  // Both into the lower tail, where nothing cancels.
  const at::Tensor flip = from + to > 0;
  const at::Tensor a = at::where(flip, -to, from), b = at::where(flip, -from, to);
  const at::Tensor upper = at::special_log_ndtr(b), lower = at::special_log_ndtr(a);
  return -(upper + at::log(-at::expm1((lower - upper).clamp_max(-1e-12))));
}

/// The timesteps of a part and what makes their mean that over all t.
struct Drawn {
  std::vector<DrawnTime> times;
  std::vector<double> weights;
};

Drawn draw(const TrainingObjective& o, const LossAwareTimes* aware, const Batch& batch, int64_t step,
           int64_t part) {
  Drawn drawn;
  if (aware == nullptr) {
    drawn.times = draw_times(o, batch, step, part);
    drawn.weights.assign(drawn.times.size(), 1.0);
    return drawn;
  }
  const int64_t n = batch.images.batch();
  const auto T = static_cast<double>(aware->T());
  for (int64_t i = 0; i < n; ++i) {
    const auto at =
        aware->draw(stratified_uniform(o.seed, static_cast<uint64_t>(step), part * n + i, o.parts * n));
    drawn.times.push_back({static_cast<double>(at.t), static_cast<double>(at.t) / T});
    drawn.weights.push_back(at.weight);
  }
  return drawn;
}

}  // namespace

at::Tensor bound_bits(const Schedule& schedule, const std::vector<int64_t>& t, const at::Tensor& x0,
                      const at::Tensor& x0_model, const at::Tensor& variance) {
  const at::Tensor data = x0.to(at::kDouble), model = x0_model.to(at::kDouble);
  const auto range = [&](int64_t at) { return log_variance_range(schedule, at); };
  const at::Tensor lo = each(t, x0, [&](int64_t at) { return range(at).lo; });
  const at::Tensor wide = each(t, x0, [&](int64_t at) { return range(at).hi - range(at).lo; });
  const at::Tensor coef =
      each(t, x0, [&](int64_t at) { return schedule.posterior_mean_coef1()[static_cast<size_t>(at)]; });
  const at::Tensor log_variance =
      variance.defined() ? lo + 0.5 * (variance.to(at::kDouble) + 1) * wide : lo.expand_as(data);
  const at::Tensor ratio = lo - log_variance, distance = coef * (data - model);
  const at::Tensor divergence =
      0.5 * (ratio.expm1() - ratio + distance.pow(2) * (-log_variance).exp()).flatten(1).sum(1);
  std::vector<int64_t> first;
  for (size_t i = 0; i < t.size(); ++i) {
    if (t[i] == 0) first.push_back(static_cast<int64_t>(i));
  }
  at::Tensor nats = divergence;
  if (!first.empty()) {
    const at::Tensor rows = at::tensor(at::ArrayRef<int64_t>(first), at::kLong).to(x0.device());
    const at::Tensor decoder = decoder_nats(data.index_select(0, rows), model.index_select(0, rows),
                                            log_variance.expand_as(data).index_select(0, rows))
                                   .flatten(1)
                                   .sum(1);
    nats = divergence.index_copy(0, rows, decoder);
  }
  const double elements = static_cast<double>(x0.numel()) / static_cast<double>(x0.size(0));
  return nats * (static_cast<double>(schedule.T()) / (std::numbers::ln2 * elements));
}

PartResult bound_part(TorchNetwork& network, const TrainingObjective& o, const LossAwareTimes* aware,
                      const Batch& batch, int64_t step, int64_t part) {
  const at::Device device = network.store().device();
  const Schedule& schedule = *o.target.schedule();
  const Drawn drawn = draw(o, aware, batch, step, part);
  PartResult result;
  std::vector<TrainingLevel> levels;
  std::vector<double> told, simple_weights;
  for (const DrawnTime& time : drawn.times) {
    levels.push_back(training_level(o.target, time.t, o.loss));
    told.push_back(levels.back().told);
    simple_weights.push_back(levels.back().weight);
    result.shares.push_back(time.share);
    result.drawn.push_back(static_cast<int64_t>(time.t));
  }
  const std::vector<int64_t>& t = result.drawn;
  TrainingPair<TorchArray> pair;
  const TorchArray x0 = to_torch(batch.images, device);
  {
    const at::NoGradGuard no_grad;
    const TorchArray eps = noise_like(x0, NoiseKey{o.seed, batch.first, Purpose::training_noise, 0});
    pair = training_pair<TorchArray>(levels, x0, eps);
  }
  const CallContext context{true, o.seed, static_cast<uint32_t>(step), batch.first, o.recompute};
  const at::Tensor output = network(pair.input.value, timestep_tensor(told, device),
                                    {label_tensor(draw_labels(o, batch), device)}, context);
  const int64_t channels = x0.value.size(1);
  const bool learned = output.size(1) == 2 * channels;
  const at::Tensor value = output.narrow(1, 0, channels);
  const at::Tensor variance = learned ? output.narrow(1, channels, channels) : at::Tensor();

  const at::Tensor errors = (value - pair.answer.value).pow(2).flatten(1).mean(1).to(at::kDouble);
  const at::Tensor said = (o.bound->hybrid ? value.detach() : value).to(at::kDouble);
  const at::Tensor alpha = each(t, said, [&](int64_t at) { return schedule.alpha(at); });
  const at::Tensor sigma = each(t, said, [&](int64_t at) { return schedule.sigma(at); });
  const at::Tensor x_t = pair.input.value.to(at::kDouble);
  const at::Tensor estimate = o.target.prediction() == PredictionType::sample ? said
                              : o.target.prediction() == PredictionType::v_prediction
                                  ? alpha * x_t - sigma * said
                                  : (x_t - sigma * said) / alpha.clamp_min(1e-9);
  const at::Tensor bits = bound_bits(schedule, t, x0.value, estimate, variance);
  const auto weights = [&](const std::vector<double>& of) {
    return at::tensor(at::ArrayRef<double>(of), at::kDouble).to(device);
  };
  const at::Tensor losses =
      o.bound->hybrid ? errors * weights(simple_weights) + o.bound->weight * bits : bits;
  const at::Tensor loss = (losses * weights(drawn.weights)).mean();
  loss.backward();

  result.errors = to_doubles(errors);
  result.losses = to_doubles(losses);
  result.bounds = to_doubles(bits * weights(drawn.weights));
  result.loss = loss.item<double>();
  return result;
}

}  // namespace langevin
