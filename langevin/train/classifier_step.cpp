#include "langevin/train/classifier_step.h"

#include <algorithm>

#include "langevin/model/classifier.h"
#include "langevin/torch/network_call.h"

namespace langevin {
namespace {

constexpr int64_t kScored = 256;       // examples at once
constexpr uint32_t kScoringNoise = 1;  // NoiseKey::step; training has 0

at::Tensor cross_entropies(const at::Tensor& logits, const at::Tensor& labels) {
  return -at::log_softmax(logits, 1).gather(1, labels.unsqueeze(1)).squeeze(1);
}

int64_t count_correct(const at::Tensor& logits, const at::Tensor& labels) {
  return logits.argmax(1).eq(labels).sum().item<int64_t>();
}

/// The batch at the times that are quantile (quarter + u) / 4 of the draws, u by the example.
at::Tensor logits_in_quarter(TorchNetwork& network, const TrainingObjective& o, const Batch& batch,
                             int quarter) {
  std::vector<TrainingLevel> levels;
  std::vector<double> told;
  for (int64_t index : batch.indices) {
    const double u = time_uniform(o.seed, static_cast<uint64_t>(index));
    levels.push_back(training_level(o.target, time_at(o.target, o.times, (quarter + u) / 4)));
    told.push_back(levels.back().told);
  }
  const at::Device device = network.store().device();
  const TorchArray x0 = to_torch(batch.images, device);
  const TorchArray eps =
      noise_like(x0, NoiseKey{o.seed, batch.first, Purpose::training_noise, kScoringNoise});
  return network(training_pair<TorchArray>(levels, x0, eps).input.value, timestep_tensor(told, device), {},
                 {});
}

}  // namespace

PartResult classifier_part(TorchNetwork& network, const TrainingObjective& o, const Batch& batch,
                           int64_t step, int64_t part) {
  const at::Device device = network.store().device();
  NoisedBatch noised = noised_batch(o, batch, step, part, device);
  const CallContext context{true, o.seed, static_cast<uint32_t>(step), batch.first, o.recompute};
  const at::Tensor labels = label_tensor(batch.labels, device);
  const at::Tensor logits = network(noised.input, noised.told, {}, context);
  const at::Tensor errors = cross_entropies(logits, labels);
  const at::Tensor loss = errors.mean();
  loss.backward();

  PartResult result;
  result.shares = std::move(noised.shares);
  result.errors = to_doubles(errors);
  result.correct = to_doubles(logits.detach().argmax(1).eq(labels).to(at::kFloat));
  result.loss = loss.item<double>();
  return result;
}

ClassifierScore score_classifier(TorchNetwork& network, const TrainingObjective& o, const ModelSpec& spec,
                                 const Dataset& data, const StopSignal& stop) {
  const at::NoGradGuard no_grad;
  const at::Device device = network.store().device();
  const Shape input = nn::input_shape(spec.network, 1);
  const Target::Input lowest = clean_input(spec);
  LoaderOptions options;
  options.shuffle = false;
  int64_t clean = 0;
  std::array<int64_t, 4> noisy{};
  for (int64_t first = 0; first < data.size(); first += options.batch) {
    if (stop.requested()) return {};
    options.batch = std::min(kScored, data.size() - first);
    const Batch batch =
        make_batch(data, {input[1], input[2], input[3]}, options, static_cast<uint64_t>(first));
    const at::Tensor labels = label_tensor(batch.labels, device);
    const at::Tensor x = to_torch(batch.images, device).value * lowest.scale;
    const at::Tensor told = timestep_tensor(std::vector<double>(batch.labels.size(), lowest.told), device);
    clean += count_correct(network(x, told, {}, {}), labels);
    for (int quarter = 0; o.noisy && quarter < 4; ++quarter) {
      noisy[static_cast<size_t>(quarter)] +=
          count_correct(logits_in_quarter(network, o, batch, quarter), labels);
    }
  }
  const auto n = static_cast<double>(data.size());
  ClassifierScore score{data.size(), static_cast<double>(clean) / n, o.noisy, {}};
  for (size_t q = 0; q < 4; ++q) score.by_quarter[q] = static_cast<double>(noisy[q]) / n;
  return score;
}

}  // namespace langevin
