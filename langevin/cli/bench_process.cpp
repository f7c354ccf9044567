#include "langevin/cli/bench_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>

#include "langevin/cli/bench_model.h"
#include "langevin/cli/engine_options.h"
#include "langevin/model/recipe.h"

extern char** environ;

namespace langevin::cli {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int64_t kImages = 16, kSteps = 50;
constexpr int kRounds = 3, kCalls = 12;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Seconds until this program, run with `arguments`, has ended; Error unless it did so well.
double time_process(std::vector<std::string> arguments) {
  std::vector<char*> argv;
  for (std::string& a : arguments) argv.push_back(a.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  const auto start = Clock::now();
  const int error = ::posix_spawn(&child, "/proc/self/exe", &files, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  check(error == 0, "bench process", "cannot start langevin: {}", std::system_category().message(error));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  const double seconds = seconds_since(start);
  check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "bench process", "langevin sample failed; see above");
  return seconds;
}

}  // namespace

nlohmann::json bench_process(const BenchRequest& request, Console& console, const StopSignal& stop) {
  const Recipe recipe = preset(request.preset);
  const int64_t size = request.size > 0 ? request.size : recipe.image_size > 0 ? recipe.image_size : 32;
  ModelSpec spec;
  spec.network = make_network(recipe, request.channels, size, size, 0);
  spec.schedule = recipe.schedule;
  spec.prediction = prediction_type(recipe.prediction);
  const ScratchFolder scratch;
  const auto file = scratch.path() / "model.safetensors";
  write_random_model(spec, file);

  const std::string precision = request.precision == "auto" ? "fp32" : request.precision;
  BackendOptions backend;
  backend.engine = {"cpu", precision, request.threads};
  const HostArrayF x = noise_like(HostArrayF(nn::input_shape(spec.network, kImages)), NoiseKey{});
  const std::vector<double> t(static_cast<size_t>(kImages), 500.0);
  std::vector<double> processes, calls, firsts;
  std::string engine_name;
  for (int round = 0; round < kRounds; ++round) {
    console.info(fmt::format("langevin sample, {} of {}", round + 1, kRounds));
    processes.push_back(time_process(
        {"langevin", "sample", file.string(), "--out", (scratch.path() / std::to_string(round)).string(),
         "-n", std::to_string(kImages), "--batch", std::to_string(kImages), "--steps", std::to_string(kSteps),
         "--precision", precision, "--threads", std::to_string(request.threads), "--quiet"}));
    check(!stop.requested(), "bench", "stopped before everything was measured");
    const auto engine = open_engine(open_model(file), backend, console);
    engine_name = engine->name();
    const auto first = Clock::now();
    engine->forward(x, t, {});
    firsts.push_back(seconds_since(first));
    std::vector<double> these;
    for (int i = 0; i < kCalls && !stop.requested(); ++i) {
      const auto start = Clock::now();
      engine->forward(x, t, {});
      these.push_back(seconds_since(start));
    }
    check(!stop.requested(), "bench", "stopped before everything was measured");
    calls.push_back(median(these));
    firsts.back() -= calls.back();
  }
  const double process = median(processes), call = median(calls);
  return {{"what", "process"},
          {"preset", request.preset},
          {"engine", engine_name},
          {"images", kImages},
          {"calls", kSteps},
          {"process_seconds", process},
          {"call_seconds", call},
          {"process_over_calls", process / (static_cast<double>(kSteps) * call)},
          {"first_call_seconds", median(firsts)}};
}

}  // namespace langevin::cli
