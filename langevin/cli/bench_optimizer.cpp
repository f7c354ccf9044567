#include "langevin/cli/bench_optimizer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>

#include "langevin/core/check.h"
#include "langevin/core/rng.h"
#include "langevin/kernels/adamw.h"
#include "langevin/kernels/threads.h"
#include "langevin/runtime/roofline.h"

namespace langevin::cli {
namespace {

constexpr int64_t kParameters = 35'746'307;
constexpr double kBytes = 4 * 5 + 4 * 4 + 2;  // of a parameter: read, written, and the bf16 weight
constexpr AdamWOptions kStep{
    .lr = 1e-4, .weight_decay = 0.01, .bias1 = 0.1, .bias2 = 0.001, .ema_decay = 0.999};

struct Storage {
  std::vector<float> gradient, weight, m, v, ema;
  std::vector<BF16> bf16;

  explicit Storage(int64_t n)
      : gradient(static_cast<size_t>(n)),
        weight(gradient),
        m(gradient),
        v(gradient),
        ema(gradient),
        bf16(gradient.size()) {
    fill_normal(gradient, NoiseKey{1, 0, Purpose::test, 0});
    fill_normal(weight, NoiseKey{1, 1, Purpose::test, 0});
    ema = weight;
  }
  AdamWArrays<float> arrays() {
    return {static_cast<int64_t>(gradient.size()),
            gradient.data(),
            weight.data(),
            m.data(),
            v.data(),
            ema.data(),
            bf16.data()};
  }
};

/// Error unless a step gives what the plain loops give.
void validate() {
  Storage ours(100'003), plain(100'003);
  adamw_step(ours.arrays(), kStep);
  reference::adamw_step(plain.arrays(), kStep);
  for (size_t i = 0; i < ours.weight.size(); ++i) {
    const double error =
        std::max(std::abs(ours.weight[i] - plain.weight[i]), std::abs(ours.ema[i] - plain.ema[i]));
    check(error <= 1e-6, "bench optimizer", "the step differs from its reference by {} at {}", error, i);
  }
}

}  // namespace

nlohmann::json bench_optimizer(int threads, double seconds, Console& console, const StopSignal& stop) {
  using Clock = std::chrono::steady_clock;
  validate();
  if (threads > 0) set_threads(threads);
  console.info(fmt::format("measuring the optimizer's step for {:.0f} s", seconds));
  std::vector<double> times;
  {
    Storage storage(kParameters);
    const auto begin = Clock::now();
    for (int i = 0; i < 5 || std::chrono::duration<double>(Clock::now() - begin).count() < seconds; ++i) {
      if (stop.requested()) break;
      const auto start = Clock::now();
      adamw_step(storage.arrays(), kStep);
      if (i >= 2) times.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    }
  }
  check(!times.empty(), "bench", "stopped before anything was measured");
  std::sort(times.begin(), times.end());
  console.info("measuring the machine's memory");
  const Roofline roofline = measure_roofline(max_threads());
  const double median = times[times.size() / 2], bytes = kBytes * static_cast<double>(kParameters);
  const double limit = 1e-9 * bytes / roofline.memory;
  return {{"what", "optimizer"},
          {"parameters", kParameters},
          {"threads", max_threads()},
          {"runs", times.size()},
          {"seconds_median", median},
          {"seconds_min", times.front()},
          {"seconds_p90", times[times.size() * 9 / 10]},
          {"seconds_limit", limit},
          {"gbytes_per_second", 1e-9 * bytes / median},
          {"times_the_limit", median / limit},
          {"fraction_of_limit", limit / median},
          {"roofline", to_json(roofline)}};
}

}  // namespace langevin::cli
