#include "langevin/train/training_step.h"

#include <utility>

#include "langevin/torch/cuda_device.h"
#include "langevin/torch/network_call.h"

namespace langevin {

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

std::vector<double> to_doubles(const at::Tensor& values) {
  const at::Tensor host = values.detach().to(at::kCPU, at::kDouble).contiguous();
  return {host.data_ptr<double>(), host.data_ptr<double>() + host.numel()};
}

NoisedBatch noised_batch(const TrainingObjective& o, const Batch& batch, int64_t step, int64_t part,
                         at::Device device) {
  const at::NoGradGuard no_grad;
  NoisedBatch noised;
  const TorchArray x0 = to_torch(batch.images, device);
  std::vector<TrainingLevel> levels;
  std::vector<double> told;
  for (const DrawnTime& drawn : draw_times(o, batch, step, part)) {
    levels.push_back(o.noisy ? training_level(o.target, drawn.t, o.loss) : TrainingLevel{0, 1, 0, 0, 0, 1});
    told.push_back(levels.back().told);
    noised.weights.push_back(levels.back().weight);
    noised.shares.push_back(o.noisy ? drawn.share : 0);
  }
  const TorchArray eps = noise_like(x0, NoiseKey{o.seed, batch.first, Purpose::training_noise, 0});
  const TrainingPair<TorchArray> pair = training_pair<TorchArray>(levels, x0, eps);
  noised.input = pair.input.value;
  noised.answer = pair.answer.value;
  noised.told = timestep_tensor(told, device);
  return noised;
}

PreparedPart prepare_part(const TrainingObjective& o, const Batch& batch, PartPlace place,
                          at::Device device) {
  NoisedBatch noised = noised_batch(o, batch, place.step, place.part, device);
  for (double& weight : noised.weights) weight /= static_cast<double>(batch.images.batch());
  PreparedPart prepared;
  prepared.place = place;
  prepared.inputs = {.input = noised.input,
                     .answer = noised.answer,
                     .told = noised.told,
                     .weights = timestep_tensor(noised.weights, device),
                     .labels = label_tensor(draw_labels(o, batch), device)};
  prepared.context = {true, o.seed, static_cast<uint32_t>(place.step), batch.first, o.recompute};
  prepared.shares = std::move(noised.shares);
  return prepared;
}

PartResult PartStream::operator()(PartPlace place, PartPlace next, const std::function<void()>& collect) {
  const PreparedPart now = ahead_ ? std::move(*ahead_) : make_(place);
  ahead_.reset();
  check(now.place == place, "PartStream", "part {} of step {} follows, not part {} of step {}",
        now.place.part, now.place.step, place.part, place.step);
  const PassLosses losses = pass_(now.inputs, now.context);
  collect();
  if (has_cuda_kernels(now.inputs.input.device())) ahead_ = make_(next);  // while the GPU is at work
  PartResult result;
  result.shares = now.shares;
  result.position = now.position;
  result.errors = to_doubles(at::cat({losses.errors, losses.loss.view({1})}));  // one wait for both
  result.loss = result.errors.back();
  result.errors.pop_back();
  return result;
}

}  // namespace langevin
