#include "langevin/runtime/engine.h"

#include <algorithm>

#include "langevin/model/sampling.h"
#include "langevin/runtime/network.h"

namespace langevin {
namespace {

class RuntimeEngine final : public Engine {
 public:
  RuntimeEngine(ModelFile model, const EngineOptions& options)
      : model_(std::move(model)),
        target_(target_of(model_.spec)),
        asked_(options.precision),
        network_(model_.spec.network, runtime::Weights(model_.weights),
                 runtime::fitting_type(options.precision, model_.spec.network),
                 runtime::resolve_threads(options.threads)) {
    check(options.device != "cuda", "runtime", "computes on the CPU; use --backend torch for a GPU");
    if (network_.type() == runtime::Type::int8) use_calibration();
  }

  const ModelSpec& spec() const override { return model_.spec; }

  std::string name() const override {
    const std::string type = runtime::to_string(network_.type());
    const std::string precision = asked_ == type ? type : type + ", faster here than " + asked_;
    return fmt::format("runtime (cpu, {}, {} threads)", precision, network_.threads());
  }

  HostArrayF forward(const HostArrayF& x, const std::vector<double>& t,
                     const Cond<HostArrayF>& cond) override {
    check_forward(model_.spec, x, t, cond);
    return network_(x, t, cond);
  }

  nn::LatentGaussian<HostArrayF> encode(const HostArrayF& pictures) override {
    check_pictures(model_.spec, pictures);
    const HostArrayF both = part(encoder_, runtime::Part::encoder)(pictures);
    Shape shape = both.shape();
    shape[1] /= 2;
    nn::LatentGaussian<HostArrayF> z{HostArrayF(shape), HostArrayF(shape)};
    for (int64_t i = 0; i < both.batch(); ++i) {
      const auto values = both.sample(i);
      const size_t half = values.size() / 2;
      std::copy_n(values.begin(), half, z.mean.sample(i).begin());
      std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(half), half, z.logvar.sample(i).begin());
    }
    return z;
  }

  HostArrayF decode(const HostArrayF& latents) override {
    check_latents(model_.spec, latents);
    return part(decoder_, runtime::Part::decoder)(latents);
  }

  HostArrayF features(const HostArrayF& x, const std::vector<double>& t) override {
    check_forward(model_.spec, x, t, {});
    return part(features_, runtime::Part::features)(x, t);
  }

  HostArrayF sample(const SampleRequest& request, const Observer<HostArrayF>& observer) override {
    if (nn::is_autoencoder(model_.spec.network)) {
      check_request(model_.spec, request);
      return sample_prior(*this, request, observer);
    }
    const SamplingBackend<HostArrayF> backend{
        [this](const HostArrayF& x, const std::vector<double>& t, const Cond<HostArrayF>& cond) {
          return network_(x, t, cond);
        },
        [](const Shape& shape) { return HostArrayF(shape); }, [](const HostArrayF& x) { return x; },
        [](const HostArrayF& x) { return x; }};
    return sample_request(backend, model_.spec, target_, request, observer);
  }

 private:
  // A network of sequences needs none: its values stay in fp32.
  void use_calibration() {
    if (nn::input_shape(model_.spec.network, 1).size() == 3) return;
    check(model_.spec.int8.has_value(), model_.path.string(),
          "is not calibrated for int8; run: langevin quantize {} --out FILE.safetensors, and use that file",
          model_.path.string());
    network_.use(*model_.spec.int8);
  }

  using Network = runtime::RuntimeNetwork;
  Network& part(std::unique_ptr<Network>& kept, runtime::Part part) {
    if (!kept)
      kept = std::make_unique<Network>(model_.spec.network, runtime::Weights(model_.weights), network_.type(),
                                       network_.threads(), part);
    return *kept;
  }

  ModelFile model_;  // before the network, which reads weights from its mapped file
  Target target_;
  std::string asked_;  // precision
  Network network_;
  std::unique_ptr<Network> encoder_, decoder_, features_;  // made when asked for
};

}  // namespace

std::unique_ptr<Engine> open_runtime_engine(ModelFile model, const EngineOptions& options) {
  return std::make_unique<RuntimeEngine>(std::move(model), options);
}

}  // namespace langevin
