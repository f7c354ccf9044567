#include "langevin/cli/bench_policy.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>

#include "langevin/core/rng.h"
#include "langevin/runtime/network.h"
#include "langevin/runtime/recorder.h"
#include "langevin/runtime/roofline.h"

namespace langevin::cli {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

struct Policy {
  const char* name;
  nn::UNet1DConfig config;
};

/// PushT with its low-dimensional observations (Chi et al. 2303.04137: two observations of 20 numbers), and a
/// network for a small robot: two observations of 30 numbers.
std::vector<Policy> policies() {
  nn::UNet1DConfig large{.input_dim = 2, .horizon = 16, .global_cond_dim = 40, .kernel_size = 5};
  large.cond_predict_scale = true;
  nn::UNet1DConfig small = large;
  small.global_cond_dim = 60;
  small.diffusion_step_embed_dim = 64;
  small.down_dims = {64, 128, 256};
  return {{"unet1d_65.8M", nn::validated(large)}, {"unet1d_4.3M", nn::validated(small)}};
}

/// A folder that goes away with its content.
class Scratch {
 public:
  Scratch() {
    std::string pattern = (fs::temp_directory_path() / "langevin-bench-XXXXXX").string();
    check(::mkdtemp(pattern.data()) != nullptr, pattern, "cannot be made; set TMPDIR to a folder with room");
    folder_ = pattern;
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  fs::path file() const { return folder_ / "model.safetensors"; }

 private:
  fs::path folder_;
};

/// Weights as training would start them, near enough for timing: no zeros that a processor could pass over.
std::vector<HostArrayF> random_weights(const std::vector<nn::ParameterSpec>& parameters) {
  std::vector<HostArrayF> weights;
  for (const auto& p : parameters) {
    HostArrayF& values = weights.emplace_back(p.shape, 1.0F);
    if (p.shape.size() < 2) continue;
    fill_uniform(values.data(), {0, weights.size(), Purpose::weight_init, 0});
    const double fan_in = static_cast<double>(values.size()) / static_cast<double>(p.shape[0]);
    const auto bound = static_cast<float>(std::sqrt(3.0 / fan_in));
    for (float& value : values.data()) value = (2 * value - 1) * bound;
  }
  return weights;
}

/// The model in a file, since that is what every engine opens.
ModelFile make_model(const nn::NetworkConfig& network, const nn::CostInterpreter& cost,
                     const fs::path& path) {
  ModelSpec spec;
  spec.network = network;
  spec.schedule.kind = "cosine";
  spec.schedule.timesteps = 100;
  const std::vector<HostArrayF> weights = random_weights(cost.parameters());
  std::vector<TensorOut> tensors;
  for (size_t i = 0; i < weights.size(); ++i) {
    tensors.push_back(
        {cost.parameters()[i].name, DType::f32, weights[i].shape(), std::as_bytes(weights[i].data())});
  }
  write_model(path, spec, tensors);
  return open_model(path);
}

constexpr int64_t kBeyondCaches = int64_t{512} << 20;
constexpr double kMeasuring = 0.5;     // seconds, of memory
constexpr int64_t kSteps = 10;         // of the sampler that the calls are taken from
constexpr int64_t kObservations = 64;  // different ones, in turn

/// What a controller gives the network: noise, a grid of timesteps and observations.
struct Calls {
  Calls(const nn::NetworkConfig& network, int64_t batch)
      : x(noise_like(HostArrayF(nn::input_shape(network, batch)), NoiseKey{})) {
    for (int64_t i = 0; i < kObservations; ++i) {
      const NoiseKey key{0, 1, Purpose::test, static_cast<uint32_t>(i)};
      observations.push_back(
          {.global_cond = noise_like(HostArrayF({batch, nn::global_cond_dim(network)}), key)});
    }
  }
  static double timestep(int64_t i) { return static_cast<double>(99 - i % kSteps * 10); }
  HostArrayF operator()(Engine& engine, int64_t i) const {
    const std::vector<double> t(static_cast<size_t>(x.batch()), timestep(i));
    return engine.forward(x, t, observations[static_cast<size_t>(i / kSteps % kObservations)]);
  }
  HostArrayF x;
  std::vector<Cond<HostArrayF>> observations;
};

/// One call of the plain plan: oneDNN in fp32, nothing streamed.
HostArrayF plain_call(const ModelFile& model, const Calls& calls) {
  const nn::NetworkConfig& network = model.spec.network;
  runtime::Weights weights(model.weights);
  runtime::Conditioning conditioning(runtime::record(network, runtime::usual_call(network, 1)), weights);
  runtime::Plan plan(runtime::record(network, runtime::usual_call(network, calls.x.batch())), runtime::Type::fp32, {conditioning, weights});
  const std::vector<double> t(static_cast<size_t>(calls.x.batch()), Calls::timestep(0));
  HostArrayF out(plan.output_shape());
  const Cond<HostArrayF>& cond = calls.observations.front();
  plan.run({calls.x.data().data(), t, cond.class_labels, cond.global_cond->data().data()}, out.data().data());
  return out;
}

double relative_error(const HostArrayF& got, const HostArrayF& want) {
  double difference = 0, size = 0;
  for (int64_t i = 0; i < got.size(); ++i) {
    difference += std::pow(static_cast<double>(got[i]) - static_cast<double>(want[i]), 2);
    size += std::pow(static_cast<double>(want[i]), 2);
  }
  return std::sqrt(difference / size);
}

/// Seconds of each call, sorted; a sampler's run before warms up.
std::vector<double> time_calls(Engine& engine, const Calls& calls, double seconds, const StopSignal& stop) {
  std::vector<double> times;
  times.reserve(1 << 20);
  for (int64_t i = 0; i < 2 * kSteps; ++i) calls(engine, i);
  const auto start = Clock::now();
  for (int64_t i = 0; i < 10 || std::chrono::duration<double>(Clock::now() - start).count() < seconds; ++i) {
    if (stop.requested() || times.size() == times.capacity()) break;
    const auto begin = Clock::now();
    calls(engine, i);
    times.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
  }
  check(!times.empty(), "bench policy", "stopped before anything was measured");
  std::sort(times.begin(), times.end());
  return times;
}

double percentile(const std::vector<double>& sorted, double share) {
  return sorted[static_cast<size_t>(std::ceil(share * static_cast<double>(sorted.size()))) - 1];
}

double bytes_of_weight(const std::string& precision) {
  return precision == "fp32" ? 4 : precision == "bf16" ? 2 : 1;
}

double allowed_error(const std::string& precision) {
  return precision == "fp32" ? 1e-4 : precision == "bf16" ? 0.03 : 0.06;
}

nlohmann::json measure(const Policy& policy, const PolicyBench& request, Console& console,
                       const StopSignal& stop, double& memory) {
  const std::string& precision = request.backend.engine.precision;
  const nn::CostInterpreter cost = nn::cost_of(policy.config);
  const Scratch scratch;
  const auto engine = open_engine(make_model(policy.config, cost, scratch.file()), request.backend, console);
  const Calls calls(policy.config, request.batch);
  const double error = relative_error(calls(*engine, 0), plain_call(open_model(scratch.file()), calls));
  check(error < allowed_error(precision), "bench policy", "{} in {} is off by {:.2g} of fp32", policy.name,
        precision, error);
  const auto times = time_calls(*engine, calls, request.seconds / 2, stop);
  const double weight_bytes = static_cast<double>(cost.parameter_count()) * bytes_of_weight(precision);
  const double reading = weight_bytes * 1e-9 / memory_gbytes(static_cast<int64_t>(weight_bytes), kMeasuring);
  memory = std::max(memory, memory_gbytes(kBeyondCaches, kMeasuring));
  const double median = percentile(times, 0.5), limit = weight_bytes * 1e-9 / memory;
  return {{"engine", engine->name()},
          {"parameters", cost.parameter_count()},
          {"gflop", cost.flops() * 1e-9 * static_cast<double>(request.batch)},
          {"relative_error", error},
          {"calls", times.size()},
          {"seconds_median", median},
          {"seconds_p90", percentile(times, 0.9)},
          {"seconds_p99", percentile(times, 0.99)},
          {"seconds_max", times.back()},
          {"weight_bytes", weight_bytes},
          {"limit_seconds", limit},
          {"fraction_of_limit", limit / median},
          {"reading_seconds", reading},
          {"fraction_of_reading", reading / median}};
}

}  // namespace

nlohmann::json bench_policy(const PolicyBench& request, Console& console, const StopSignal& stop) {
  const runtime::ThreadLimit threads(runtime::resolve_threads(request.backend.engine.threads));
  console.info("measuring how fast memory is read");
  double memory = memory_gbytes(kBeyondCaches, kMeasuring);
  nlohmann::json result{
      {"what", "policy"}, {"precision", request.backend.engine.precision}, {"batch", request.batch}};
  for (const Policy& policy : policies()) {
    console.info(fmt::format("measuring {}", policy.name));
    result[policy.name] = measure(policy, request, console, stop, memory);
    result["engine"] = result[policy.name]["engine"];
  }
  result["memory_gbytes_per_second"] = memory;
  return result;
}

}  // namespace langevin::cli
