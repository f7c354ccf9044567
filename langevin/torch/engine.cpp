#include "langevin/torch/engine.h"

#include <torch/csrc/autograd/autograd.h>

#include <optional>

#include "langevin/model/classifier.h"
#include "langevin/model/sampling.h"
#include "langevin/torch/classifier_gradient.h"
#include "langevin/torch/device.h"
#include "langevin/torch/network_call.h"

namespace langevin {
namespace {

class TorchEngine final : public Engine {
 public:
  TorchEngine(ModelFile model, const EngineOptions& options)
      : spec_(model.spec),
        target_(target_of(spec_)),
        device_(choose_device(options.device)),
        threads_(set_threads(options.threads)),
        network_(spec_.network, precision_from_name(options.precision), device_, 0, false) {
    network_.store().load([&](const Parameter& p) { return model.tensor(p.name); });
    call_ = network_call(network_);
  }

  const ModelSpec& spec() const override { return spec_; }

  std::string name() const override {
    return fmt::format("torch ({}, {}, {} threads)", device_.str(), to_string(network_.store().precision()),
                       threads_);
  }

  HostArrayF forward(const HostArrayF& x, const std::vector<double>& t,
                     const Cond<HostArrayF>& cond) override {
    check_forward(spec_, x, t, cond);
    return with_own_errors([&] { return to_host(call_(to_torch(x, device_), t, to_torch(cond, device_))); });
  }

  NetworkGradient gradient(const HostArrayF& x, const std::vector<double>& t, const Cond<HostArrayF>& cond,
                           const HostArrayF& direction) override {
    check_forward(spec_, x, t, cond);
    return with_own_errors([&]() -> NetworkGradient {
      const at::AutoGradMode with_gradients(true);
      const at::Tensor seen = to_torch(x, device_).value.set_requires_grad(true);
      const at::Tensor output =
          network_(seen, timestep_tensor(t, device_), conditions_of(to_torch(cond, device_), device_), {});
      check(shape_of_tensor(output) == direction.shape(), "gradient", "the output is {}, the direction {}",
            to_string(shape_of_tensor(output)), to_string(direction.shape()));
      const at::Tensor product =
          torch::autograd::grad({output}, {seen}, {to_torch(direction, device_).value}).front();
      return {to_host({output.detach()}), to_host({product})};
    });
  }

  nn::LatentGaussian<HostArrayF> encode(const HostArrayF& pictures) override {
    check_pictures(spec_, pictures);
    return with_own_errors([&]() -> nn::LatentGaussian<HostArrayF> {
      const at::NoGradGuard no_grad;
      const auto z = network_.encode(to_torch(pictures, device_).value, {});
      return {to_host({z.mean}), to_host({z.logvar})};
    });
  }

  HostArrayF decode(const HostArrayF& latents) override {
    check_latents(spec_, latents);
    return with_own_errors([&] {
      const at::NoGradGuard no_grad;
      return to_host({network_.decode(to_torch(latents, device_).value, {})});
    });
  }

  HostArrayF features(const HostArrayF& x, const std::vector<double>& t) override {
    check_forward(spec_, x, t, {});
    return with_own_errors([&] {
      const at::NoGradGuard no_grad;
      const at::Tensor seen = to_torch(x, device_).value;
      return to_host({network_.features(seen, timestep_tensor(t, device_), {})});
    });
  }

  void set_classifier(ModelFile model) override {
    check_guides(model.spec, model.path.string(), spec_);
    with_own_errors([&] {
      classifier_.emplace(model.spec.network, Precision::fp32, device_, 0, false);
      classifier_->store().load([&](const Parameter& p) { return model.tensor(p.name); });
    });
  }

  HostArrayF sample(const SampleRequest& request, const Observer<HostArrayF>& observer) override {
    if (nn::is_autoencoder(spec_.network)) {
      check_request(spec_, request);
      return sample_prior(*this, request, observer);
    }
    return with_own_errors([&] {
      SamplingBackend<TorchArray> backend = sampling_backend(network_);
      if (classifier_) backend.classifier = classifier_gradient(*classifier_, target_);
      return sample_request(backend, spec_, target_, request, observer);
    });
  }

 private:
  ModelSpec spec_;
  Target target_;
  at::Device device_;
  int64_t threads_;
  TorchNetwork network_;
  std::optional<TorchNetwork> classifier_;  // what samples are guided by
  NetworkCall<TorchArray> call_;            // keeps what a GPU has recorded
};

}  // namespace

std::unique_ptr<Engine> open_torch_engine(ModelFile model, const EngineOptions& options) {
  return with_own_errors([&] { return std::make_unique<TorchEngine>(std::move(model), options); });
}

}  // namespace langevin
