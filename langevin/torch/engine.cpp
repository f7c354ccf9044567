#include "langevin/torch/engine.h"

#include "langevin/torch/device.h"
#include "langevin/torch/network_call.h"

namespace langevin {
namespace {

class TorchEngine final : public Engine {
 public:
  TorchEngine(ModelFile model, const EngineOptions& options)
      : spec_(model.spec),
        schedule_(spec_.schedule),
        device_(choose_device(options.device)),
        threads_(set_threads(options.threads)),
        network_(spec_.network, precision_from_name(options.precision), device_, 0, false) {
    network_.store().load([&](const Parameter& p) { return model.tensor(p.name); });
  }

  const ModelSpec& spec() const override { return spec_; }

  std::string name() const override {
    return fmt::format("torch ({}, {}, {} threads)", device_.str(), to_string(network_.store().precision()),
                       threads_);
  }

  HostArrayF forward(const HostArrayF& x, const std::vector<double>& t,
                     const Cond<HostArrayF>& cond) override {
    const at::NoGradGuard no_grad;
    check_input(x);
    check(static_cast<int64_t>(t.size()) == x.batch(), "forward",
          "needs one timestep per sample ({}), got {}", x.batch(), t.size());
    check_labels(cond.class_labels, x.batch());
    check_global_cond(cond.global_cond, x.batch());
    const TorchArray in = to_torch(x, device_);
    const Cond<TorchArray> given = to_torch(cond, device_);
    const TorchConditions conditions{label_tensor(cond.class_labels, device_),
                                     given.global_cond ? given.global_cond->value : at::Tensor()};
    return with_own_errors(
        [&] { return to_host({network_(in.value, timestep_tensor(t, device_), conditions, {})}); });
  }

  HostArrayF sample(const SampleRequest& request, const Observer<HostArrayF>& observer) override {
    return with_own_errors([&] { return run(request, observer); });
  }

 private:
  HostArrayF run(const SampleRequest& request, const Observer<HostArrayF>& observer) {
    const at::NoGradGuard no_grad;
    const Shape shape = nn::input_shape(spec_.network, request.count);
    if (!request.labels.empty()) check_labels(request.labels, request.count);
    check_global_cond(request.global_cond, request.count);
    check(!request.x_T || request.x_T->shape() == shape, "sample",
          "the starting noise is {}, the model needs {}", request.x_T ? to_string(request.x_T->shape()) : "",
          to_string(shape));

    Denoiser<TorchArray> denoiser = make_denoiser(
        sampling_network(network_, request.guidance, null_label(spec_)), schedule_, spec_.prediction);
    denoiser = threshold_denoiser(denoiser, schedule_, request.threshold);
    SampleContext<TorchArray> context{
        request.seed, request.first_sample, to_torch({request.labels, request.global_cond}, device_), {}};
    if (observer) {
      context.observer = [&](const StepInfo<TorchArray>& info) {
        const HostArrayF x_t = to_host(info.x_t), x0 = to_host(info.x0);
        return observer({info.step, info.steps, info.t, x_t, x0});
      };
    }
    const TorchArray empty{at::empty(sizes(shape), at::TensorOptions(at::kFloat).device(device_))};
    const TorchArray x_T = request.x_T ? to_torch(*request.x_T, device_)
                                       : initial_noise(empty, request.seed, request.first_sample);
    return to_host(run_sampler(request.sampler, denoiser, schedule_, x_T, context));
  }

  void check_input(const HostArrayF& x) const {
    const Shape want = nn::input_shape(spec_.network, x.batch());
    check(x.shape().size() == want.size() && x.shape()[1] == want[1] && x.batch() > 0, "forward",
          "sample is {}, the network needs {}", to_string(x.shape()), to_string(want));
  }

  void check_global_cond(const std::optional<HostArrayF>& given, int64_t batch) const {
    const int64_t width = nn::global_cond_dim(spec_.network);
    check(width > 0 || !given, "global_cond", "the model's network takes none");
    check(width == 0 || given.has_value(), "global_cond", "is missing: the model's network needs {}",
          to_string({batch, width}));
    check(!given || given->shape() == Shape{batch, width}, "global_cond", "is {}, the network needs {}",
          given ? to_string(given->shape()) : "", to_string({batch, width}));
  }

  void check_labels(const std::vector<int64_t>& labels, int64_t batch) const {
    const int64_t classes = nn::class_count(spec_.network);
    check(classes > 0 || labels.empty(), "class_labels", "the model was trained without classes");
    check(static_cast<int64_t>(labels.size()) == (classes > 0 ? batch : 0), "class_labels",
          "needs one per sample ({}), got {}", batch, labels.size());
    for (int64_t label : labels) {
      check(label >= 0 && label < classes, "class_labels", "there is no class {}; the model has {}", label,
            classes);
    }
  }

  ModelSpec spec_;
  Schedule schedule_;
  at::Device device_;
  int64_t threads_;
  TorchNetwork network_;
};

}  // namespace

std::unique_ptr<Engine> open_torch_engine(ModelFile model, const EngineOptions& options) {
  return with_own_errors([&] { return std::make_unique<TorchEngine>(std::move(model), options); });
}

}  // namespace langevin
