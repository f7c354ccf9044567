// langevin bench: measures training, sampling and the machine itself. The measuring is the libtorch wing's.
#include "langevin/cli/bench_policy.h"
#include "langevin/cli/command.h"
#include "langevin/cli/wing.h"
#include "langevin/core/signals.h"
#include "langevin/model/recipe.h"

namespace langevin::cli {
namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  langevin bench train --preset ddpm-cifar10 --precision bf16\n"
    "  langevin bench sample --preset small --batch 16\n"
    "  langevin bench policy --precision fp32\n"
    "  langevin bench roofline --json\n"
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

void declare(CLI::App& app, BenchRequest& o) {
  app.add_option("what", o.what, "train, sample, policy or roofline")
      ->required()
      ->check(CLI::IsMember({"train", "sample", "policy", "roofline"}));
  app.add_option("--preset", o.preset, "the network measured (default ddpm-cifar10)");
  app.add_option("--batch", o.batch, "images a step or call; 0: 16")->check(CLI::Range(0, 65536));
  app.add_option("--size", o.size, "height and width; 0: the preset's")->check(CLI::Range(0, 4096));
  app.add_option("--channels", o.channels, "channels of the pictures (default 3)")->check(CLI::Range(1, 64));
  app.add_option("--precision", o.precision, "auto, fp32 or bf16")
      ->check(CLI::IsMember({"auto", "fp32", "bf16"}));
  app.add_option("--device", o.device, "auto, cpu or cuda")->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  app.add_option("--steps", o.steps, "steps of the sampler in one measurement; 0: 5")
      ->check(CLI::Range(0, 1000000));
  app.add_flag("--recompute", o.recompute, "train: compute the inside of blocks again for the gradient");
  app.add_option("--seconds", o.seconds, "how long to measure (default 20)")->check(CLI::Range(0.1, 86400.0));
  app.add_option("--threads", o.threads, "threads; 0: one a core")->check(CLI::Range(0, 4096));
}

/// The engine that `bench policy` calls; UsageError where none of that name is built.
BackendOptions policy_backend(const BenchRequest& o, const std::string& name) {
  if (o.device == "cuda")
    fail_usage("--device: the limit of bench policy is the processor's memory; use cpu");
  BackendOptions backend;
  backend.backend = name;
  backend.engine = {"cpu", o.precision == "auto" ? "fp32" : o.precision, o.threads};
  check_backend(backend);
  return backend;
}

}  // namespace

void bench_verb(const Arguments& arguments) {
  BenchRequest o;
  CommonOptions common;
  std::string backend = "auto";
  CLI::App app("Measure: train, sample, policy (one call) or roofline (the machine's own limits).",
               "langevin bench");
  declare(app, o);
  app.add_option("--backend", backend, "policy: the engine that is called, as of langevin forward");
  add_common(app, common);
  app.footer(kExamples);
  if (!parse(app, arguments)) return;
  preset(o.preset);  // an unknown name is an error before libtorch is loaded

  Console console(common.level());
  const StopSignal stop;
  const nlohmann::json result = o.what == "policy"
                                    ? bench_policy(policy_backend(o, backend), o.seconds, console, stop)
                                    : torch_wing("auto").bench(o, console, stop);
  if (common.json) return print_json(result);
  std::string text;
  print_flat(result, "", text);
  print(text);
}

}  // namespace langevin::cli
