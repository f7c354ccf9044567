// langevin bench: measures training, sampling, policies and the machine itself. Training is measured by the
// libtorch wing.
#include "langevin/runtime/bench.h"
#include "langevin/cli/bench_optimizer.h"
#include "langevin/cli/bench_policy.h"
#include "langevin/cli/bench_process.h"
#include "langevin/cli/bench_sweep.h"
#include "langevin/cli/command.h"
#include "langevin/cli/wing.h"
#include "langevin/core/signals.h"
#include "langevin/model/recipe.h"
#include "langevin/runtime/roofline.h"

namespace langevin::cli {
namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  langevin bench train --preset ddpm-cifar10 --precision bf16\n"
    "  langevin bench sample --preset small --batch 16\n"
    "  langevin bench policy --precision bf16\n"
    "  langevin bench sample --backend torch\n"
    "  langevin bench process\n"
    "  langevin bench optimizer\n"
    "  langevin bench sweep\n"
    "  langevin bench roofline --json\n"
    "  langevin bench train --device cuda --batch 128\n"
    "`fraction_of_limit` is the share of the machine's convolution rate, measured in the same run; of a "
    "policy, "
    "whose\nsingle call reads every weight once, the share of its memory rate.";

void print_flat(const nlohmann::json& json, const std::string& prefix, std::string& text) {
  for (const auto& [key, value] : json.items()) {
    if (value.is_object()) {
      print_flat(value, prefix + key + ".", text);
    } else if (value.is_number_float()) {
      text += fmt::format("{:<32} {:.5g}\n", prefix + key, value.get<double>());
    } else {
      text += fmt::format("{:<32} {}\n", prefix + key,
                          value.is_string() ? value.get<std::string>() : value.dump());
    }
  }
}

void declare(CLI::App& app, BenchRequest& o, std::string& backend) {
  app.add_option("what", o.what, "train, sample, policy, process, optimizer, sweep or roofline")
      ->required()
      ->check(CLI::IsMember({"train", "sample", "policy", "process", "optimizer", "sweep", "roofline"}));
  app.add_option("--preset", o.preset, "the network measured (default ddpm-cifar10)");
  app.add_option("--backend", backend, "of sample and policy: auto (default), runtime or torch");
  app.add_option("--batch", o.batch, "images a step or call; 0: 16, of policy 1")
      ->check(CLI::Range(0, 65536));
  app.add_option("--size", o.size, "height and width; 0: the preset's")->check(CLI::Range(0, 4096));
  app.add_option("--channels", o.channels, "channels of the pictures (default 3)")->check(CLI::Range(1, 64));
  app.add_option("--precision", o.precision, "auto, fp32, bf16 or (sample, policy) int8")
      ->check(CLI::IsMember({"auto", "fp32", "bf16", "int8"}));
  app.add_option("--device", o.device, "auto, cpu or cuda")->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  app.add_option("--steps", o.steps, "steps of the sampler in one measurement; 0: 5")
      ->check(CLI::Range(0, 1000000));
  app.add_flag("--no-graphs{false}", o.record,
               "train on a GPU: start every kernel anew instead of replaying a recorded step");
  app.add_flag("--recompute", o.recompute, "train: compute the inside of blocks again for the gradient");
  app.add_option("--seconds", o.seconds, "how long to measure (default 20)")->check(CLI::Range(0.1, 86400.0));
  app.add_option("--threads", o.threads, "threads; 0: one a core")->check(CLI::Range(0, 4096));
}

/// UsageError where there is no engine of that name, or no policy bench for it.
PolicyBench policy_bench(const BenchRequest& o, const std::string& backend) {
  if (o.device == "cuda")
    fail_usage("--device: the limit of bench policy is the processor's memory; use cpu");
  PolicyBench b;
  b.backend.backend = backend;
  b.backend.engine = {"cpu", o.precision == "auto" ? "fp32" : o.precision, o.threads};
  check_backend(b.backend);
  b.batch = o.batch > 0 ? o.batch : b.batch;
  b.seconds = o.seconds;
  return b;
}

SampleBench runtime_bench(const BenchRequest& o) {
  SampleBench b;
  b.preset = o.preset;
  b.precision = o.precision;
  b.batch = o.batch > 0 ? o.batch : b.batch;
  b.size = o.size;
  b.channels = o.channels;
  b.steps = o.steps > 0 ? o.steps : b.steps;
  b.threads = o.threads;
  b.seconds = o.seconds;
  return b;
}

nlohmann::json measure(const BenchRequest& o, const std::string& backend, Console& console) {
  const StopSignal stop;
  if (o.what == "policy") return bench_policy(policy_bench(o, backend), console, stop);
  if (o.what == "process") return bench_process(o, console, stop);
  if (o.what == "sweep") return bench_sweep(o, console, stop);
  if (o.what == "optimizer") return bench_optimizer(static_cast<int>(o.threads), o.seconds, console, stop);
  if (o.what == "roofline" && o.device != "cuda")
    return to_json(measure_roofline(static_cast<int>(o.threads)));
  const bool runtime = backend == "runtime" || (backend == "auto" && o.device != "cuda");
  if (o.what == "sample" && runtime) return bench_runtime(runtime_bench(o), console, stop);
  return torch_wing("auto").bench(o, console, stop);
}

}  // namespace

void bench_verb(const Arguments& arguments) {
  BenchRequest o;
  CommonOptions common;
  CLI::App app(
      "Measure: train, sample, policy (one call), process (what sample costs beside its calls), optimizer "
      "(one step), sweep (many sizes) or roofline (the "
      "machine's own "
      "limits).",
      "langevin bench");
  std::string backend = "auto";
  declare(app, o, backend);
  add_common(app, common);
  app.footer(kExamples);
  if (!parse(app, arguments)) return;
  preset(o.preset);  // an unknown name is an error before libtorch is loaded

  Console console(common.level());
  BackendOptions known;
  known.backend = backend;
  check_backend(known);
  if (backend == "runtime" && (o.what == "train" || o.device == "cuda"))
    fail_usage("--backend runtime samples on the CPU; training and GPUs are measured with --backend torch");
  const nlohmann::json result = measure(o, backend, console);
  if (common.json) return print_json(result);
  if (o.what == "sweep") return print(sweep_table(result));
  std::string text;
  print_flat(result, "", text);
  print(text);
}

}  // namespace langevin::cli
