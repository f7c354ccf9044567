#include "langevin/train/preview.h"

#include "langevin/io/grid.h"
#include "langevin/model/pictures.h"
#include "langevin/sample/sampler.h"
#include "langevin/sample/threshold.h"
#include "langevin/torch/network_call.h"

namespace langevin {

Preview::Preview(const Recipe& recipe, const ModelSpec& spec, at::Device device)
    : recipe_(recipe),
      spec_(spec),
      schedule_(spec.schedule),
      network_(spec.network, Precision::fp32, device, 0, false) {}

Image Preview::draw(const at::Tensor& ema) {
  const at::NoGradGuard no_grad;
  network_.store().flat().copy_(ema);
  const int64_t n = recipe_.sample_count, classes = static_cast<int64_t>(spec_.labels.size());
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < n && nn::class_count(spec_.network) > 0; ++i) labels.push_back(i % classes);
  const double guidance = spec_.null_class && !labels.empty() ? recipe_.sample_guidance : 1.0;

  Denoiser<TorchArray> denoiser =
      make_denoiser(sampling_network(network_, guidance, null_label(spec_)), schedule_, spec_.prediction);
  ThresholdConfig threshold;
  threshold.rederive_eps = true;  // as `langevin sample` does
  denoiser = threshold_denoiser(denoiser, schedule_, threshold);
  SamplerConfig sampler;
  sampler.steps = std::min(recipe_.sample_steps, schedule_.T());
  const Shape shape = nn::input_shape(spec_.network, n);
  const TorchArray like{at::empty(sizes(shape), network_.store().flat().options())};
  const auto seed = static_cast<uint64_t>(recipe_.seed);
  const SampleContext<TorchArray> context{seed, 0, {labels}, {}};
  const HostArrayF x0 =
      to_host(run_sampler(sampler, denoiser, schedule_, initial_noise(like, seed, 0), context));
  return make_grid(to_images(x0, spec_));
}

}  // namespace langevin
