#include "langevin/runtime/bench.h"

#include <algorithm>
#include <chrono>

#include "langevin/kernels/processor.h"
#include "langevin/model/recipe.h"
#include "langevin/model/sampling.h"
#include "langevin/nn/cost.h"
#include "langevin/runtime/calibrate.h"
#include "langevin/runtime/network.h"
#include "langevin/runtime/random_weights.h"
#include "langevin/runtime/roofline.h"

namespace langevin {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Seconds of each call of `run` within the time given, the first two left out; sorted.
template <class F>
std::vector<double> times(double seconds, const StopSignal& stop, F&& run) {
  std::vector<double> out;
  const auto start = Clock::now();
  for (int i = 0; i < 5 || seconds_since(start) < seconds; ++i) {
    if (stop.requested()) break;
    const auto begin = Clock::now();
    run();
    if (i >= 2) out.push_back(seconds_since(begin));
  }
  check(!out.empty(), "bench", "stopped before anything was measured");
  std::sort(out.begin(), out.end());
  return out;
}

/// How the network would compute after `langevin quantize`, found out on noise.
void calibrate_on_noise(runtime::RuntimeNetwork& network, const nn::NetworkConfig& config,
                        int64_t timesteps) {
  constexpr int64_t kBatches = 4, kSamples = 2;
  std::vector<runtime::CalibrationBatch> batches;
  for (int64_t b = 0; b < kBatches; ++b) {
    const auto t = static_cast<double>((2 * b + 1) * timesteps / (2 * kBatches));
    batches.push_back(
        {initial_noise(HostArrayF(nn::input_shape(config, kSamples)), 1, static_cast<uint64_t>(b)),
         std::vector<double>(kSamples, t),
         {}});
  }
  runtime::CalibrationOptions options;
  options.tried = kSamples;
  network.use(runtime::calibrate(network, batches, options));
}

double relative_error(const HostArrayF& got, const HostArrayF& want) {
  double difference = 0, size = 0;
  for (int64_t i = 0; i < want.size(); ++i) {
    difference += std::pow(static_cast<double>(got[i]) - static_cast<double>(want[i]), 2);
    size += std::pow(static_cast<double>(want[i]), 2);
  }
  return std::sqrt(difference / size);
}

/// The limit of what was asked for, whatever it is computed in.
double ceiling_of(const std::string& precision, const Roofline& roofline) {
  return precision == "int8"   ? roofline.conv_int8
         : precision == "bf16" ? roofline.conv_bf16
                               : roofline.conv_fp32;
}

}  // namespace

nlohmann::json bench_runtime(const SampleBench& request, Console& console, const StopSignal& stop) {
  const Recipe recipe = preset(request.preset);
  const int64_t size = request.size > 0 ? request.size : recipe.image_size > 0 ? recipe.image_size : 32;
  const auto config = make_network(recipe, request.channels, size, size, 0);
  const int threads = runtime::resolve_threads(request.threads);
  const runtime::ThreadLimit limit(threads);
  console.info("measuring the machine's convolution rate");
  const Roofline roofline = measure_roofline(threads);

  const nn::CostInterpreter cost = nn::cost_of(config);
  const std::string asked = request.precision != "auto" ? request.precision
                            : has_fast_bf16()           ? "bf16"
                                                        : "fp32";
  const runtime::Type type = runtime::fitting_type(asked, config);
  runtime::RuntimeNetwork network(config, runtime::random_weights(cost), type, threads);
  const Shape shape = nn::input_shape(config, request.batch);
  const HostArrayF x = initial_noise(HostArrayF(shape), 0, 0);
  const std::vector<double> t(static_cast<size_t>(request.batch), 0.0);
  if (type == runtime::Type::int8) {
    console.info("calibrating");
    calibrate_on_noise(network, config, recipe.schedule.timesteps);
  }
  // No speed counts that computes something else: the error stands beside it.
  double error = 0;
  if (type != runtime::Type::fp32) {
    runtime::RuntimeNetwork exact(config, runtime::random_weights(cost), runtime::Type::fp32, threads);
    error = relative_error(network(x, t, {}), exact(x, t, {}));
    const double tolerance = type == runtime::Type::int8 ? 0.1 : 0.05;
    check(error < tolerance, "bench", "{} is {:.2g} away from fp32, more than {}: nothing is timed",
          runtime::to_string(type), error, tolerance);
  }
  console.info(fmt::format("measuring the runtime for {:.0f} s", request.seconds));
  const auto calls = times(request.seconds / 2, stop, [&] { network(x, t, {}); });

  const NetworkCall<HostArrayF> call = [&](const HostArrayF& x_t, const std::vector<double>& at,
                                           const Cond<HostArrayF>& cond) { return network(x_t, at, cond); };
  const Schedule schedule(recipe.schedule);
  const auto denoiser =
      make_denoiser(sampling_network<HostArrayF>(call, {}), schedule, prediction_type(recipe.prediction));
  SamplerConfig sampler;
  sampler.steps = request.steps;
  uint64_t seed = 0;
  const auto runs = times(request.seconds / 2, stop, [&] {
    run_sampler(sampler, denoiser, schedule, initial_noise(HostArrayF(shape), seed, 0),
                SampleContext<HostArrayF>{seed, 0, {}, {}});
    ++seed;
  });

  const double median = runs[runs.size() / 2], images = static_cast<double>(request.batch) / median;
  const double a_call = cost.flops() * 1e-9, ceiling = ceiling_of(asked, roofline);
  const double gflops = images * static_cast<double>(request.steps) * a_call;
  const double forward = static_cast<double>(request.batch) * a_call / calls[calls.size() / 2];
  return {{"what", "sample"},
          {"backend", "runtime"},
          {"preset", request.preset},
          {"precision", asked},
          {"computed_in", runtime::to_string(type)},
          {"device", "cpu"},
          {"threads", threads},
          {"relative_error_to_fp32", error},
          {"batch", request.batch},
          {"input", to_string(shape)},
          {"gflop_per_image_and_call", a_call},
          {"runs", runs.size()},
          {"seconds_median", median},
          {"seconds_min", runs.front()},
          {"seconds_max", runs.back()},
          {"images_per_second", images},
          {"calls_per_second", images * static_cast<double>(request.steps)},
          {"sampler", sampler.name},
          {"sampler_steps", request.steps},
          {"gflops", gflops},
          {"limit_gflops", ceiling},
          {"fraction_of_limit", gflops / ceiling},
          {"forward_seconds_median", calls[calls.size() / 2]},
          {"forward_fraction_of_limit", forward / ceiling},
          {"roofline", to_json(roofline)}};
}

}  // namespace langevin
