#include "langevin/train/validation.h"

#include <algorithm>
#include <cmath>

#include "langevin/data/loader.h"
#include "langevin/torch/network_call.h"
#include "langevin/train/vae_learner.h"

namespace langevin {
namespace {

constexpr int64_t kPatience = 5;  // measurements without a better one before a warning

}  // namespace

Validation::Validation(const Recipe& recipe, const ModelSpec& spec, std::shared_ptr<const Dataset> held_out,
                       at::Device device)
    : recipe_(recipe), held_out_(std::move(held_out)), spec_(spec), device_(device) {}

BoundBatch Validation::batch(int64_t first, int64_t count) const {
  const Shape input = nn::input_shape(spec_.network, 1);
  LoaderOptions options;
  options.shuffle = false;
  options.batch = count;
  Batch read = make_batch(*held_out_, {input[1], input[2], input[3]}, options, static_cast<uint64_t>(first));
  BoundBatch out{std::move(read.images), {}, std::move(read.indices)};
  if (nn::class_count(spec_.network) > 0) out.labels = std::move(read.labels);
  return out;
}

std::optional<BoundTerm> Validation::measure(const at::Tensor& ema, const ModelSpec& spec, int64_t step,
                                             Console& console, const StopSignal& stop) {
  const int64_t count = std::min(recipe_.validate_images, held_out_->size());
  const auto seed = static_cast<uint64_t>(recipe_.seed);
  BoundTerm found;
  if (spec.vae) {
    const auto report = judge_vae(spec, ema, *held_out_, count, 1, seed, stop);
    if (!report) return std::nullopt;
    found = report->elbo;
  } else {
    TorchNetwork network(spec_.network, Precision::fp32, device_, 0, false);
    {
      const at::NoGradGuard no_grad;
      network.store().flat().copy_(ema);
    }
    const NetworkCall<TorchArray> call = network_call(network);
    BoundEstimate bound(
        spec_,
        [&](const HostArrayF& x, const std::vector<double>& told, const std::vector<int64_t>& labels) {
          return to_host(call(to_torch(x, device_), told, Cond<TorchArray>{.class_labels = labels}));
        },
        {.draws = recipe_.validate_draws, .seed = seed, .stopped = [&] { return stop.requested(); }});
    for (int64_t first = 0; first < count; first += 64) {
      if (!bound.add(batch(first, std::min<int64_t>(64, count - first)))) return std::nullopt;
    }
    found = bound.report().total;
  }
  console.info(fmt::format("step {}: {:.4f} +- {:.4f} bits/dim on {} examples held out", step, found.bits,
                           found.standard_error, count));
  if (found.bits < best_) {
    best_ = found.bits;
    best_step_ = step;
    warned_ = false;
  } else if (!warned_ && step - best_step_ >= kPatience * recipe_.validate_every) {
    console.warn(
        fmt::format("the bound on examples held out was best at step {} ({:.4f}); from here on the run "
                    "may learn its examples by heart",
                    best_step_, best_));
    warned_ = true;
  }
  return found;
}

nlohmann::json to_json(const BoundTerm& t) {
  const auto finite = [](double v) { return std::isfinite(v) ? nlohmann::json(v) : nlohmann::json(nullptr); };
  return {{"bits_per_dim", finite(t.bits)}, {"standard_error", finite(t.standard_error)}};
}

}  // namespace langevin
