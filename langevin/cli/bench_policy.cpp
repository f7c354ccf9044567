#include "langevin/cli/bench_policy.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>

#include "langevin/core/rng.h"
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

/// Seconds of each call, sorted; the first five warm up.
std::vector<double> time_calls(Engine& engine, const nn::NetworkConfig& network, double seconds,
                               const StopSignal& stop) {
  const HostArrayF x = noise_like(HostArrayF(nn::input_shape(network, 1)), NoiseKey{});
  const Cond<HostArrayF> cond{
      {}, noise_like(HostArrayF({1, nn::global_cond_dim(network)}), NoiseKey{0, 1, Purpose::test, 0})};
  std::vector<double> times;
  const auto start = Clock::now();
  for (int i = 0; i < 10 || std::chrono::duration<double>(Clock::now() - start).count() < seconds; ++i) {
    if (stop.requested()) break;
    const auto begin = Clock::now();
    engine.forward(x, {50.0}, cond);
    if (i >= 5) times.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
  }
  check(!times.empty(), "bench policy", "stopped before anything was measured");
  std::sort(times.begin(), times.end());
  return times;
}

}  // namespace

nlohmann::json bench_policy(const BackendOptions& backend, double seconds, Console& console,
                            const StopSignal& stop) {
  console.info("measuring how fast memory is read");
  const Roofline roofline = measure_roofline(static_cast<int>(backend.engine.threads));
  const auto networks = policies();
  nlohmann::json result{{"what", "policy"},
                        {"precision", backend.engine.precision},
                        {"batch", 1},
                        {"roofline", to_json(roofline)}};
  for (const Policy& policy : networks) {
    console.info(fmt::format("measuring {}", policy.name));
    const nn::CostInterpreter cost = nn::cost_of(policy.config);
    const Scratch scratch;
    const auto engine = open_engine(make_model(policy.config, cost, scratch.file()), backend, console);
    const auto times =
        time_calls(*engine, policy.config, seconds / static_cast<double>(networks.size()), stop);
    const auto weight_bytes =
        static_cast<double>(cost.parameter_count()) * (backend.engine.precision == "bf16" ? 2.0 : 4.0);
    const double median = times[times.size() / 2], limit = weight_bytes * 1e-9 / roofline.memory;
    const size_t p99 = static_cast<size_t>(std::ceil(0.99 * static_cast<double>(times.size()))) - 1;
    result["engine"] = engine->name();
    result[policy.name] = {{"parameters", cost.parameter_count()},
                           {"gflop", cost.flops() * 1e-9},
                           {"calls", times.size()},
                           {"seconds_median", median},
                           {"seconds_p99", times[p99]},
                           {"seconds_max", times.back()},
                           {"weight_bytes", weight_bytes},
                           {"limit_seconds", limit},
                           {"fraction_of_limit", limit / median}};
  }
  return result;
}

}  // namespace langevin::cli
