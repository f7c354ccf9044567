#include "langevin/runtime/engine.h"

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
    return network_(x, t, cond.class_labels, cond.global_cond);
  }

  HostArrayF features(const HostArrayF& x, const std::vector<double>& t) override {
    check_forward(model_.spec, x, t, {});
    if (!features_) {
      features_ = std::make_unique<runtime::RuntimeNetwork>(model_.spec.network,
                                                            runtime::Weights(model_.weights), network_.type(),
                                                            network_.threads(), runtime::Wanted::features);
    }
    return (*features_)(x, t, {});
  }

  HostArrayF sample(const SampleRequest& request, const Observer<HostArrayF>& observer) override {
    const SamplingBackend<HostArrayF> backend{
        [this](const HostArrayF& x, const std::vector<double>& t, const Cond<HostArrayF>& cond) {
          return network_(x, t, cond.class_labels, cond.global_cond);
        },
        [](const Shape& shape) { return HostArrayF(shape); }, [](const HostArrayF& x) { return x; },
        [](const HostArrayF& x) { return x; }};
    return sample_request(backend, model_.spec, target_, request, observer);
  }

 private:
  // A network of sequences needs none: its values stay in fp32.
  void use_calibration() {
    if (!std::holds_alternative<nn::UNet2DConfig>(model_.spec.network)) return;
    check(model_.spec.int8.has_value(), model_.path.string(),
          "is not calibrated for int8; run: langevin quantize {} --out FILE.safetensors, and use that file",
          model_.path.string());
    network_.use(*model_.spec.int8);
  }

  ModelFile model_;  // before the network, which reads weights from its mapped file
  Target target_;
  std::string asked_;  // precision
  runtime::RuntimeNetwork network_;
  std::unique_ptr<runtime::RuntimeNetwork> features_;  // once they are asked for
};

}  // namespace

std::unique_ptr<Engine> open_runtime_engine(ModelFile model, const EngineOptions& options) {
  return std::make_unique<RuntimeEngine>(std::move(model), options);
}

}  // namespace langevin
