#include "langevin/runtime/calibration_inputs.h"

#include <algorithm>

#include "langevin/diffusion/time_draws.h"
#include "langevin/diffusion/training.h"
#include "langevin/model/sampling.h"

namespace langevin::runtime {
namespace {

constexpr int64_t kNullEvery = 8;  // samples, of which one is without class

/// A class for each sample: as given, else drawn.
std::vector<int64_t> classes(const ModelSpec& spec, std::vector<int64_t> labels, int64_t first, int64_t count,
                             uint64_t seed) {
  const int64_t classes = nn::class_count(spec.network);
  if (classes == 0) return {};
  const int64_t null = null_label(spec), real = classes - (null >= 0 ? 1 : 0);
  labels.resize(static_cast<size_t>(count), -1);
  for (int64_t i = 0; i < count; ++i) {
    int64_t& label = labels[static_cast<size_t>(i)];
    const auto sample = static_cast<uint64_t>(first + i);
    if (label < 0 || label >= real)
      label = static_cast<int64_t>(
          RandomStream(NoiseKey{seed, sample, Purpose::calibration, 1}).below(static_cast<uint64_t>(real)));
    if (null >= 0 && (first + i) % kNullEvery == kNullEvery - 1) label = null;
  }
  return labels;
}

}  // namespace

std::vector<CalibrationBatch> inputs_from_data(const ModelSpec& spec, const HostArrayF& x0,
                                               const std::vector<int64_t>& labels, uint64_t seed) {
  const Target target = target_of(spec);
  TimeDraws draws;
  draws.whole_range = true;
  const int64_t count = x0.batch(), batches = (count + kCalibrationBatch - 1) / kCalibrationBatch;
  std::vector<CalibrationBatch> inputs;
  for (int64_t b = 0; b < batches; ++b) {
    const int64_t first = b * kCalibrationBatch, size = std::min(kCalibrationBatch, count - first);
    std::vector<int64_t> given;
    std::vector<TrainingLevel> levels;
    std::vector<double> told;
    for (int64_t i = 0; i < size; ++i) {
      // Place i * batches + b of all: every batch reaches from clean to noise.
      const double place = (static_cast<double>(i * batches + b) + 0.5) / static_cast<double>(size * batches);
      levels.push_back(training_level(target, time_at(target, draws, place)));
      told.push_back(levels.back().told);
      if (!labels.empty()) given.push_back(labels[static_cast<size_t>(first + i)]);
    }
    const HostArrayF clean = rows(x0, first, size);
    const HostArrayF eps =
        noise_like(clean, NoiseKey{seed, static_cast<uint64_t>(first), Purpose::calibration, 0});
    inputs.push_back(
        {training_pair<HostArrayF>(levels, clean, eps).input, told, classes(spec, given, first, size, seed)});
  }
  return inputs;
}

std::vector<CalibrationBatch> inputs_from_trajectory(RuntimeNetwork& network, const ModelSpec& spec,
                                                     int64_t count, uint64_t seed,
                                                     const std::function<void(int64_t)>& progress) {
  constexpr int64_t kSteps = 25;  // of one walk
  const Target target = target_of(spec);
  std::vector<CalibrationBatch> inputs;
  const int64_t walks = (count + kSteps * kCalibrationBatch - 1) / (kSteps * kCalibrationBatch);
  for (int64_t walk = 0; walk < walks; ++walk) {
    const int64_t first = walk * kCalibrationBatch;
    const SamplingBackend<HostArrayF> backend{
        [&](const HostArrayF& x, const std::vector<double>& t, const Cond<HostArrayF>& cond) {
          inputs.push_back({x, t, cond.class_labels});
          if (progress) progress(static_cast<int64_t>(inputs.size()) * kCalibrationBatch);
          return network(x, t, cond);
        },
        [](const Shape& shape) { return HostArrayF(shape); }, [](const HostArrayF& x) { return x; },
        [](const HostArrayF& x) { return x; }};
    SampleRequest request;
    request.seed = seed;
    request.first_sample = static_cast<uint64_t>(first);
    request.count = kCalibrationBatch;
    request.sampler = usual_sampler(target.path());
    request.sampler.steps = std::min(kSteps, (count + kCalibrationBatch - 1) / kCalibrationBatch);
    if (target.schedule()) request.sampler.steps = std::min(request.sampler.steps, target.schedule()->T());
    request.labels = classes(spec, {}, first, kCalibrationBatch, seed);
    sample_request(backend, spec, target, request, {});
  }
  return inputs;
}

}  // namespace langevin::runtime
