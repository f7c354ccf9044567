#include "langevin/train/preview.h"

#include "langevin/io/grid.h"
#include "langevin/model/pictures.h"
#include "langevin/torch/network_call.h"

namespace langevin {

Preview::Preview(const Recipe& recipe, const ModelSpec& spec, at::Device device)
    : recipe_(recipe),
      spec_(spec),
      target_(target_of(spec)),
      network_(spec.network, Precision::fp32, device, 0, false) {}

Image Preview::draw_prior() {
  const Shape latent = nn::latent_shape(spec_.network, nn::input_shape(spec_.network, recipe_.sample_count));
  const HostArrayF z = initial_noise(HostArrayF(latent), static_cast<uint64_t>(recipe_.seed), 0);
  const at::Tensor x = network_.decode(to_torch(z, network_.store().device()).value, {});
  return make_grid(to_images(to_host({x}), spec_));
}

std::optional<Image> Preview::draw(const at::Tensor& ema, const StopSignal& stop) {
  const at::NoGradGuard no_grad;
  network_.store().flat().copy_(ema);
  if (nn::is_autoencoder(spec_.network)) return draw_prior();
  const int64_t n = recipe_.sample_count, classes = static_cast<int64_t>(spec_.labels.size());
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < n && nn::class_count(spec_.network) > 0; ++i) labels.push_back(i % classes);
  SampleRequest request;
  request.sampler = usual_sampler(target_.path());
  request.sampler.steps = recipe_.sample_steps;
  if (target_.schedule()) request.sampler.steps = std::min(recipe_.sample_steps, target_.schedule()->T());
  request.threshold.rederive_eps = true;  // as `langevin sample` does
  request.guidance.scale = spec_.null_class && !labels.empty() ? recipe_.sample_guidance : 1.0;
  request.seed = static_cast<uint64_t>(recipe_.seed);
  request.count = n;
  request.labels = std::move(labels);
  const HostArrayF x0 = sample_request(sampling_backend(network_), spec_, target_, request,
                                       [&](const StepInfo<HostArrayF>&) { return !stop.requested(); });
  if (stop.requested()) return std::nullopt;
  return make_grid(to_images(x0, spec_));
}

}  // namespace langevin
