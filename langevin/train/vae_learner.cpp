#include "langevin/train/vae_learner.h"

#include <algorithm>

#include "langevin/model/classifier.h"
#include "langevin/torch/network_call.h"

namespace langevin {
namespace {

constexpr double kScaleRate = 0.02;   // learning rate of log_scale
constexpr double kCriticRate = 2e-4;  // and of the critic
constexpr int64_t kMeasured = 64;     // examples that the description is measured on
constexpr const char* kNumbers[] = {"vae.log_scale", "vae.scale_m", "vae.scale_v", "vae.scale_updates"};

std::unique_ptr<TorchNetwork> open_features(const std::string& path, const ModelSpec& spec,
                                            at::Device device) {
  ModelFile model = open_model(path);
  check(nn::classifier(model.spec.network) != nullptr, path,
        "is no classifier, whose features loss.perceptual compares (langevin train --task classifier)");
  const Shape want = nn::input_shape(spec.network, 1), got = nn::input_shape(model.spec.network, 1);
  check(want == got, path, "classifies pictures {}, the autoencoder has {}", to_string(got), to_string(want));
  auto network = std::make_unique<TorchNetwork>(model.spec.network, Precision::fp32, device, 0, false);
  network->store().load([&](const Parameter& p) { return model.tensor(p.name); });
  return network;
}

}  // namespace

VaeLearner::VaeLearner(const Recipe& recipe, const ModelSpec& spec, at::Device device) : device_(device) {
  const VaeRecipe& v = recipe.vae;
  objective_ = {.likelihood = likelihood_from_name(v.likelihood),
                .beta = v.beta,
                .warmup = v.warmup,
                .seed = static_cast<uint64_t>(recipe.seed),
                .recompute = recipe.recompute,
                .perceptual = v.perceptual_weight,
                .adversarial = v.adversarial,
                .adversarial_start = v.adversarial_start};
  if (v.adversarial > 0)
    critic_.emplace(nn::input_shape(spec.network, 1)[1], std::vector<int64_t>{32, 64}, kCriticRate, device,
                    objective_.seed);
  if (v.perceptual.empty()) return;
  features_ = open_features(v.perceptual, spec, device);
  const Target::Input seen = clean_input(open_model(v.perceptual).spec);
  objective_.features = [network = features_.get(), seen](const at::Tensor& x) {
    const at::Tensor told = at::full({x.size(0)}, seen.told, x.options().requires_grad(false));
    return network->features(x * seen.scale, told, {});
  };
}

PartResult VaeLearner::part(TorchNetwork& network, const Batch& batch, int64_t step) {
  VaePartResult found =
      vae_part(network, objective_, scale_.log_scale, critic_ ? &*critic_ : nullptr, batch, step);
  scale_.gradient += found.scale_gradient;
  PartResult result;
  result.loss = found.loss;
  result.bounds = std::move(found.bits);
  result.kl = std::move(found.kl);
  result.mse = std::move(found.mse);
  return result;
}

void VaeLearner::step(int64_t parts, bool finite) {
  if (!finite) {
    scale_.gradient = 0;
    if (critic_) critic_->discard();
    return;
  }
  scale_.gradient /= static_cast<double>(parts);
  scale_.step(kScaleRate);
  if (critic_) critic_->step(parts);
}

void VaeLearner::keep(TrainState& state) {
  state.numbers[kNumbers[0]] = scale_.log_scale;
  state.numbers[kNumbers[1]] = scale_.m;
  state.numbers[kNumbers[2]] = scale_.v;
  state.numbers[kNumbers[3]] = static_cast<double>(scale_.updates);
  if (!critic_) return;
  state.numbers["vae.critic_updates"] = static_cast<double>(critic_->updates());
  state.extra = critic_->state();
}

void VaeLearner::restore(const TrainState& state) {
  scale_ = {.log_scale = state.numbers.at(kNumbers[0]),
            .m = state.numbers.at(kNumbers[1]),
            .v = state.numbers.at(kNumbers[2]),
            .updates = static_cast<int64_t>(state.numbers.at(kNumbers[3]))};
  if (critic_) critic_->restored(static_cast<int64_t>(state.numbers.at("vae.critic_updates")));
}

HostArrayF VaeLearner::pictures_of(const ModelSpec& spec, const Dataset& data) {
  const Shape input = nn::input_shape(spec.network, 1);
  LoaderOptions options;
  options.shuffle = false;
  options.batch = std::min(kMeasured, data.size());
  return make_batch(data, {input[1], input[2], input[3]}, options, 0).images;
}

void VaeLearner::describe(ModelSpec& spec, const at::Tensor& ema, const Dataset& data) {
  if (!averaged_)
    averaged_ = std::make_unique<TorchNetwork>(spec.network, Precision::fp32, device_, 0, false);
  {
    const at::NoGradGuard no_grad;
    averaged_->store().flat().copy_(ema);
  }
  const MeasuredVae found =
      measure_vae(*averaged_, objective_.likelihood, pictures_of(spec, data), objective_.seed);
  nn::set_latent_scale(spec.network, {1 / found.latent_stddev, found.latent_mean});
  spec.vae = VaeSpec{to_string(objective_.likelihood), found.log_scale};
}

VaeCoder vae_coder(TorchNetwork& network) {
  const at::Device device = network.store().device();
  return {[&network, device](const HostArrayF& x) -> nn::LatentGaussian<HostArrayF> {
            const at::NoGradGuard no_grad;
            const auto q = network.encode(to_torch(x, device).value, {});
            return {to_host({q.mean}), to_host({q.logvar})};
          },
          [&network, device](const HostArrayF& z) {
            const at::NoGradGuard no_grad;
            return to_host({network.decode(to_torch(z, device).value, {})});
          }};
}

std::optional<VaeReport> judge_vae(const ModelSpec& spec, const at::Tensor& ema, const Dataset& data,
                                   int64_t count, int64_t samples, uint64_t seed, const StopSignal& stop) {
  TorchNetwork network(spec.network, Precision::fp32, ema.device(), 0, false);
  {
    const at::NoGradGuard no_grad;
    network.store().flat().copy_(ema);
  }
  VaeEstimate estimate(vae_coder(network), {.likelihood = likelihood_from_name(spec.vae->likelihood),
                                            .log_scale = spec.vae->log_scale,
                                            .samples = samples,
                                            .seed = seed,
                                            .stopped = [&] { return stop.requested(); }});
  const Shape input = nn::input_shape(spec.network, 1);
  LoaderOptions options;
  options.shuffle = false;
  const int64_t all = std::min(count, data.size());
  for (int64_t first = 0; first < all; first += options.batch) {
    options.batch = std::min<int64_t>(64, all - first);
    Batch batch = make_batch(data, {input[1], input[2], input[3]}, options, static_cast<uint64_t>(first));
    if (!estimate.add({std::move(batch.images), {}, std::move(batch.indices)})) return std::nullopt;
  }
  return estimate.report();
}

}  // namespace langevin
