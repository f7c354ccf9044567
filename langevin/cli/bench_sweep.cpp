#include "langevin/cli/bench_sweep.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "langevin/cli/wing.h"
#include "langevin/model/recipe.h"
#include "langevin/runtime/network.h"
#include "langevin/runtime/random_weights.h"

namespace langevin::cli {
namespace {

constexpr double kMost = 6e11;  // FLOP of a cell: about three seconds of two cores
constexpr std::array<int64_t, 3> kBatches{1, 8, 64};
constexpr int64_t kTrainingBatch = 8;

struct Case {
  std::string name;
  nn::UNet2DConfig config;
};

/// Two stages with one residual block each, attention in the lower one.
nn::UNet2DConfig two_stages(int64_t channels, int64_t height, int64_t width) {
  nn::UNet2DConfig c;
  c.sample_height = height;
  c.sample_width = width;
  c.block_out_channels = {channels, channels};
  c.down_block_types = {"DownBlock2D", "AttnDownBlock2D"};
  c.up_block_types = {"AttnUpBlock2D", "UpBlock2D"};
  c.layers_per_block = 1;
  c.norm_num_groups = 0;
  c.attention_head_dim = 0;
  return c;
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const int64_t channels : {32, 64, 128, 256}) {
    for (const int64_t size : {8, 16, 32, 64}) all.push_back({"", two_stages(channels, size, size)});
  }
  const auto variant = [&](const char* name, auto&& change) {
    Case c{name, two_stages(128, 32, 32)};
    change(c.config);
    all.push_back(c);
  };
  variant("no attention", [](auto& c) {
    c.down_block_types[1] = "DownBlock2D";
    c.up_block_types[0] = "UpBlock2D";
    c.add_attention = false;
  });
  variant("attention everywhere", [](auto& c) {
    c.down_block_types[0] = "AttnDownBlock2D";
    c.up_block_types[1] = "AttnUpBlock2D";
  });
  variant("heads of 32", [](auto& c) { c.attention_head_dim = 32; });
  variant("classes", [](auto& c) { c.num_class_embeds = 11; });
  variant("scale and shift", [](auto& c) { c.scale_shift = true; });
  variant("gray", [](auto& c) {
    c.sample_height = c.sample_width = 28;
    c.in_channels = c.out_channels = 1;
  });
  variant("odd extents", [](auto& c) {
    c.sample_height = 33;
    c.sample_width = 21;
  });
  variant("odd channels", [](auto& c) { c.block_out_channels = {100, 100}; });
  for (Case& c : all) c.config = nn::validated(c.config);
  return all;
}

/// The median of at least three calls; at most about half a second of them.
template <class F>
double median_seconds(const StopSignal& stop, F&& run) {
  using Clock = std::chrono::steady_clock;
  run();  // makes its plan
  std::vector<double> times;
  double total = 0;
  while (times.size() < 3 || (total < 0.3 && times.size() < 200)) {
    check(!stop.requested(), "bench", "stopped before everything was measured");
    const auto start = Clock::now();
    run();
    times.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    total += times.back();
  }
  std::nth_element(times.begin(), times.begin() + static_cast<int64_t>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

double forward_gflops(runtime::RuntimeNetwork& network, const nn::UNet2DConfig& config, int64_t batch,
                      double flops, const StopSignal& stop) {
  const HostArrayF x = noise_like(HostArrayF(nn::input_shape(config, batch)), NoiseKey{});
  const std::vector<double> t(static_cast<size_t>(batch), 10.0);
  const std::vector<int64_t> labels(config.num_class_embeds > 0 ? t.size() : 0, 3);
  const double seconds = median_seconds(stop, [&] { network(x, t, {labels}); });
  return 1e-9 * flops * static_cast<double>(batch) / seconds;
}

double training_fraction(BenchRequest request, const nn::UNet2DConfig& config, const Roofline& roofline,
                         const StopSignal& stop) {
  Console quiet(Console::Level::quiet);
  request.what = "train";
  request.network = config;
  request.roofline = roofline;
  request.batch = kTrainingBatch;
  request.seconds = 0.5;
  return torch_wing("auto").bench(request, quiet, stop).at("fraction_of_limit").get<double>();
}

std::string label(const nlohmann::json& row) {
  const std::string name = row["network"];
  return fmt::format("{:>4} channels, {:>2} x {:<2} {}", row["channels"].get<int64_t>(),
                     row["height"].get<int64_t>(), row["width"].get<int64_t>(), name);
}

}  // namespace

nlohmann::json bench_sweep(const BenchRequest& request, Console& console, const StopSignal& stop) {
  const int threads = runtime::resolve_threads(request.threads);
  const runtime::ThreadLimit limit(threads);
  console.info("measuring the machine's convolution rate");
  const Roofline roofline = measure_roofline(threads);
  const auto all = cases();
  const std::string asked = request.precision == "bf16" ? "bf16" : "fp32";
  const runtime::Type type = runtime::fitting_type(asked, all.front().config);
  const double ceiling = asked == "bf16" ? roofline.conv_bf16 : roofline.conv_fp32;
  const bool training = has_torch_wing();
  nlohmann::json rows = nlohmann::json::array(), lowest;
  Progress progress(console, "sweep", "networks", static_cast<int64_t>(all.size()));
  for (const Case& c : all) {
    const nn::CostInterpreter cost = nn::cost_of(c.config);
    nlohmann::json row{{"network", c.name},
                       {"channels", c.config.block_out_channels[0]},
                       {"height", c.config.sample_height},
                       {"width", c.config.sample_width},
                       {"parameters", cost.parameter_count()},
                       {"gflop_per_image", 1e-9 * cost.flops()}};
    const auto note = [&](const std::string& cell, double fraction) {
      row[cell] = fraction;
      if (!lowest.contains(cell) || fraction < lowest[cell]["fraction"].get<double>())
        lowest[cell] = {{"fraction", fraction}, {"network", label(row)}};
    };
    runtime::RuntimeNetwork network(c.config, runtime::random_weights(cost), type, threads);
    for (const int64_t batch : kBatches) {
      const std::string cell = fmt::format("forward_b{}", batch);
      row[cell] = nullptr;
      if (cost.flops() * static_cast<double>(batch) > kMost) continue;
      note(cell, forward_gflops(network, c.config, batch, cost.flops(), stop) / ceiling);
    }
    const std::string cell = fmt::format("train_b{}", kTrainingBatch);
    row[cell] = nullptr;
    if (training && 3 * cost.flops() * kTrainingBatch <= kMost)
      note(cell, training_fraction(request, c.config, roofline, stop));
    rows.push_back(row);
    progress.update(static_cast<int64_t>(rows.size()), static_cast<int64_t>(rows.size()));
  }
  progress.finish();
  return {{"what", "sweep"}, {"precision", asked}, {"threads", threads},
          {"rows", rows},    {"lowest", lowest},   {"roofline", to_json(roofline)}};
}

std::string sweep_table(const nlohmann::json& result) {
  const std::array<const char*, 4> cells{"forward_b1", "forward_b8", "forward_b64", "train_b8"};
  std::string text = fmt::format("{:<44}{:>10}{:>10}{:>10}{:>10}\n", "share of the convolution limit",
                                 "batch 1", "batch 8", "batch 64", "train 8");
  for (const auto& row : result["rows"]) {
    text += fmt::format("{:<44}", label(row));
    for (const char* cell : cells)
      text += row[cell].is_null() ? fmt::format("{:>10}", "-")
                                  : fmt::format("{:>10.2f}", row[cell].get<double>());
    text += '\n';
  }
  return text;
}

}  // namespace langevin::cli
