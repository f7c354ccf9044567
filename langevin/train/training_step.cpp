#include "langevin/train/training_step.h"

#include "langevin/diffusion/timesteps.h"
#include "langevin/diffusion/training.h"
#include "langevin/torch/network_call.h"

namespace langevin {
namespace {

std::vector<int64_t> draw_timesteps(const TrainingObjective& o, const Batch& batch, int64_t step,
                                    int64_t part) {
  const int64_t n = batch.images.batch(), T = o.schedule.T();
  if (o.timestep_draw == "uniform") return uniform_timesteps(T, o.seed, batch.first, n);
  std::vector<int64_t> t;
  for (int64_t i = 0; i < n; ++i) {
    t.push_back(stratified_timestep(T, o.seed, static_cast<uint64_t>(step), part * n + i, o.parts * n));
  }
  return t;
}

/// Classes, each replaced by the null class with probability label_dropout: Ho & Salimans 2207.12598,
/// algorithm 1.
std::vector<int64_t> draw_labels(const TrainingObjective& o, const Batch& batch) {
  if (!o.conditional) return {};
  std::vector<int64_t> labels = batch.labels;
  for (size_t i = 0; i < labels.size() && o.label_dropout > 0; ++i) {
    RandomStream stream(NoiseKey{o.seed, batch.first + i, Purpose::label_dropout, 0});
    if (stream.uniform() < o.label_dropout) labels[i] = o.null_label;
  }
  return labels;
}

}  // namespace

PartResult training_part(TorchNetwork& network, const TrainingObjective& o, const Batch& batch, int64_t step,
                         int64_t part) {
  const at::Device device = network.store().device();
  PartResult result;
  result.timesteps = draw_timesteps(o, batch, step, part);
  const int64_t n = batch.images.batch();

  TrainingPair<TorchArray> pair;
  {
    const at::NoGradGuard no_grad;
    const TorchArray x0 = to_torch(batch.images, device);
    const TorchArray eps = noise_like(x0, NoiseKey{o.seed, batch.first, Purpose::training_noise, 0});
    pair = training_pair(o.schedule, o.prediction, x0, result.timesteps, eps);
  }
  const CallContext context{true, o.seed, static_cast<uint32_t>(step), batch.first, o.recompute};
  const std::vector<double> times(result.timesteps.begin(), result.timesteps.end());
  const at::Tensor output = network(pair.x_t.value, timestep_tensor(times, device),
                                    {label_tensor(draw_labels(o, batch), device)}, context);

  const at::Tensor errors = (output - pair.target.value).pow(2).flatten(1).mean(1);
  std::vector<double> weights;
  for (int64_t t : result.timesteps)
    weights.push_back(o.weights[static_cast<size_t>(t)] / static_cast<double>(n));
  const at::Tensor loss = (errors * timestep_tensor(weights, device)).sum();
  loss.backward();

  const at::Tensor host = errors.detach().to(at::kCPU, at::kDouble).contiguous();
  result.errors.assign(host.data_ptr<double>(), host.data_ptr<double>() + n);
  result.loss = loss.item<double>();
  return result;
}

}  // namespace langevin
