#include "langevin/train/bench.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "langevin/runtime/roofline.h"
#include "langevin/sample/sampler.h"
#include "langevin/torch/device.h"
#include "langevin/torch/network_call.h"
#include "langevin/train/device_roofline.h"
#include "langevin/train/optimizer.h"
#include "langevin/train/precision_choice.h"
#include "langevin/train/training_step.h"

namespace langevin {
namespace {

using Clock = std::chrono::steady_clock;

double flops_per_image(const nn::NetworkConfig& network) { return nn::cost_of(network).flops(); }

/// Seconds of each call of `run` within the time given, the first two left out.
template <class F>
std::vector<double> times(double seconds, const StopSignal& stop, F&& run) {
  std::vector<double> out;
  const auto start = Clock::now();
  for (int i = 0; i < 5 || std::chrono::duration<double>(Clock::now() - start).count() < seconds; ++i) {
    if (stop.requested()) break;
    const auto begin = Clock::now();
    run();
    if (i >= 2) out.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
  }
  check(!out.empty(), "bench", "stopped before anything was measured");
  std::sort(out.begin(), out.end());
  return out;
}

struct Setup {
  Recipe recipe;
  nn::NetworkConfig config;
  at::Device device;
  Precision precision;
  int64_t threads, batch;
};

Setup prepare(const BenchRequest& request) {
  Recipe recipe = preset(request.preset);
  const int64_t size = request.size > 0 ? request.size : (recipe.image_size > 0 ? recipe.image_size : 32);
  const at::Device device = choose_device(request.device);
  const int64_t threads = set_threads(request.threads);
  const auto config = request.network.value_or(make_network(recipe, request.channels, size, size, 0));
  return {recipe,  config,
          device,  choose_precision(request.precision, device),
          threads, request.batch > 0 ? request.batch : 16};
}

/// The most memory the process has had, in 10^6 bytes.
double peak_mbytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024e-6;
}

Roofline roofline_of(at::Device device, int threads) {
  return device.is_cpu() ? measure_roofline(threads) : measure_device_roofline(device);
}

nlohmann::json report(const BenchRequest& request, const Setup& setup, const std::vector<double>& seconds,
                      double calls_per_run, double flops, Console& console) {
  const double peak = peak_mbytes();  // before the roofline takes memory of its own
  if (!request.roofline) console.info("measuring the machine's convolution rate");
  const Roofline roofline =
      request.roofline ? *request.roofline : roofline_of(setup.device, static_cast<int>(setup.threads));
  const double median = seconds[seconds.size() / 2];
  const double images = static_cast<double>(setup.batch) / median;
  const double gflops = images * calls_per_run * flops * 1e-9;
  const bool bf16 = setup.precision == Precision::bf16;
  const double limit = bf16 ? roofline.conv_bf16 : roofline.conv_fp32;
  const double product = bf16 ? roofline.matmul_bf16 : roofline.matmul_fp32;
  return {{"what", request.what},
          {"preset", request.preset},
          {"precision", to_string(setup.precision)},
          {"device", setup.device.str()},
          {"threads", setup.threads},
          {"batch", setup.batch},
          {"input", to_string(nn::input_shape(setup.config, setup.batch))},
          {"gflop_per_image_and_call", flops * 1e-9},
          {"runs", seconds.size()},
          {"seconds_median", median},
          {"seconds_min", seconds.front()},
          {"seconds_max", seconds.back()},
          {"images_per_second", images},
          {"peak_mbytes", peak},
          {"gflops", gflops},
          {"limit_gflops", limit},
          {"fraction_of_limit", gflops / limit},
          {"fraction_of_matmul", gflops / product},
          {"roofline", to_json(roofline)}};
}

nlohmann::json bench_train(const BenchRequest& request, const Setup& setup, Console& console,
                           const StopSignal& stop) {
  TorchNetwork network(setup.config, setup.precision, setup.device, 0, true);
  TrainingPass pass(network, request.record);
  Optimizer optimizer(setup.recipe.optimizer, network.store());
  TrainingObjective objective{
      .target = Target({}, setup.recipe.schedule, prediction_type(setup.recipe.prediction)),
      .recompute = request.recompute};
  Batch batch;
  batch.images = noise_like(HostArrayF(nn::input_shape(setup.config, setup.batch)), NoiseKey{});
  objective.conditional = nn::class_count(setup.config) > 0;
  batch.labels.assign(static_cast<size_t>(setup.batch), objective.conditional ? 0 : -1);
  PartStream parts(pass, [&](PartPlace place) {
    const PreparedPart part = prepare_part(objective, batch, place, setup.device);
    batch.first += static_cast<uint64_t>(setup.batch);
    return part;
  });
  int64_t step = 0;
  const auto seconds = times(request.seconds, stop, [&] {
    parts({step, 0}, {step + 1, 0}, [&] { optimizer.collect(true); });
    optimizer.gradient_norm(1.0);
    optimizer.step(1e-4, 1.0, 0.999);
    ++step;
  });
  return report(request, setup, seconds, 3.0, flops_per_image(setup.config),
                console);  // backward counts twice
}

nlohmann::json bench_sample(const BenchRequest& request, const Setup& setup, Console& console,
                            const StopSignal& stop) {
  const at::NoGradGuard no_grad;
  TorchNetwork network(setup.config, setup.precision, setup.device, 0, false);
  const Schedule schedule(setup.recipe.schedule);
  const auto denoiser = make_denoiser(sampling_network<TorchArray>(network_call(network), {}), schedule,
                                      prediction_type(setup.recipe.prediction));
  SamplerConfig sampler;
  sampler.steps = request.steps > 0 ? request.steps : 5;
  const TorchArray like{at::empty(sizes(nn::input_shape(setup.config, setup.batch)),
                                  at::TensorOptions(at::kFloat).device(setup.device))};
  uint64_t seed = 0;
  const auto seconds = times(request.seconds, stop, [&] {
    run_sampler(sampler, denoiser, schedule, initial_noise(like, seed, 0),
                SampleContext<TorchArray>{seed, 0, {}, {}});
    ++seed;
  });
  nlohmann::json json = report(request, setup, seconds, static_cast<double>(sampler.steps),
                               flops_per_image(setup.config), console);
  json["sampler"] = sampler.name;
  json["sampler_steps"] = sampler.steps;
  json["calls_per_second"] = json["images_per_second"].get<double>() * static_cast<double>(sampler.steps);
  return json;
}

}  // namespace

nlohmann::json bench(const BenchRequest& request, Console& console, const StopSignal& stop) {
  if (request.what == "roofline") {
    const at::Device device = choose_device(request.device);
    return with_own_errors([&] { return to_json(roofline_of(device, static_cast<int>(request.threads))); });
  }
  const Setup setup = prepare(request);
  console.info(fmt::format("measuring {} for {:.0f} s", request.what, request.seconds));
  check(request.what == "train" || request.what == "sample", "bench",
        "knows train, sample and roofline, not '{}'", request.what);
  return with_own_errors([&] {
    return request.what == "train" ? bench_train(request, setup, console, stop)
                                   : bench_sample(request, setup, console, stop);
  });
}

}  // namespace langevin
