#include "langevin/train/training_step.h"

#include "langevin/torch/network_call.h"

namespace langevin {
namespace {

std::vector<DrawnTime> draw_times(const TrainingObjective& o, const Batch& batch, int64_t step,
                                  int64_t part) {
  const int64_t n = batch.images.batch();
  std::vector<DrawnTime> drawn;
  for (int64_t i = 0; i < n; ++i) {
    const TrainingPlace place{batch.first + static_cast<uint64_t>(i), static_cast<uint64_t>(step),
                              part * n + i, o.parts * n};
    drawn.push_back(draw_time(o.target, o.times, o.seed, place));
  }
  return drawn;
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

PartResult training_part(TrainingPass& pass, const TrainingObjective& o, const Batch& batch, int64_t step,
                         int64_t part) {
  const at::Device device = pass.network().store().device();
  const int64_t n = batch.images.batch();
  PartResult result;
  std::vector<TrainingLevel> levels;
  std::vector<double> told, weights;
  for (const DrawnTime& drawn : draw_times(o, batch, step, part)) {
    levels.push_back(training_level(o.target, drawn.t, o.loss));
    told.push_back(levels.back().told);
    weights.push_back(levels.back().weight / static_cast<double>(n));
    result.shares.push_back(drawn.share);
  }

  TrainingPair<TorchArray> pair;
  {
    const at::NoGradGuard no_grad;
    const TorchArray x0 = to_torch(batch.images, device);
    const TorchArray eps = noise_like(x0, NoiseKey{o.seed, batch.first, Purpose::training_noise, 0});
    pair = training_pair<TorchArray>(levels, x0, eps);
  }
  const CallContext context{true, o.seed, static_cast<uint32_t>(step), batch.first, o.recompute};
  const PassLosses losses = pass({.input = pair.input.value,
                                  .answer = pair.answer.value,
                                  .told = timestep_tensor(told, device),
                                  .weights = timestep_tensor(weights, device),
                                  .labels = label_tensor(draw_labels(o, batch), device)},
                                 context);

  const at::Tensor host = losses.errors.to(at::kCPU, at::kDouble).contiguous();
  result.errors.assign(host.data_ptr<double>(), host.data_ptr<double>() + n);
  result.loss = losses.loss.item<double>();
  return result;
}

}  // namespace langevin
