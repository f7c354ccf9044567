#include "langevin/cli/engine_options.h"

#include "langevin/cli/wing.h"
#include "langevin/core/names.h"
#include "langevin/runtime/engine.h"
#include "langevin/runtime/network.h"

namespace langevin::cli {
namespace {

/// Whether libtorch has a GPU to compute with. It is loaded only where the driver says there may be one.
bool has_gpu() {
  std::error_code ignored;
  if (!std::filesystem::exists("/dev/nvidiactl", ignored) || !has_torch_wing()) return false;
  try {
    return torch_wing("auto").has_cuda();
  } catch (const Error&) {
    return false;  // a wing that does not load helps nobody: --backend torch says why
  }
}

bool wants_torch(const BackendOptions& o, const nn::NetworkConfig& network) {
  if (o.backend != "auto") return o.backend == "torch";
  if (std::holds_alternative<nn::VaeDenseConfig>(network)) return true;  // the runtime has not its words
  if (o.engine.precision == "int8") return false;  // libtorch has none of it
  return o.engine.device == "cuda" || (o.engine.device == "auto" && has_gpu());
}

}  // namespace

void add_backend(CLI::App& app, BackendOptions& o) {
  app.add_option("--backend", o.backend, "auto (default), runtime (CPU, without libtorch) or torch");
  app.add_option("--device", o.engine.device, "auto (default), cpu or cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  app.add_option("--precision", o.engine.precision, "fp32 (default), bf16 or int8 (the runtime alone)")
      ->check(CLI::IsMember({"fp32", "bf16", "int8"}));
  app.add_option("--threads", o.engine.threads, "threads; 0: one a core")->check(CLI::Range(0, 4096));
}

void check_backend(const BackendOptions& o) {
  if (o.backend != "auto" && o.backend != "runtime" && o.backend != "torch") {
    fail_usage("--backend: {}", unknown_name("backend", o.backend, {"auto", "runtime", "torch"}));
  }
  if (o.backend == "runtime" && o.engine.device == "cuda")
    fail_usage("--backend runtime computes on the CPU; use --backend torch for --device cuda");
}

std::unique_ptr<Engine> open_engine(ModelFile model, const BackendOptions& o, Console& console) {
  check_backend(o);
  if (wants_torch(o, model.spec.network)) return torch_wing("auto").open_engine(std::move(model), o.engine);
  const std::string slow = runtime::slow_processor();
  if (!slow.empty()) console.warn(slow + (has_torch_wing() ? "; --backend torch may be faster" : ""));
  return open_runtime_engine(std::move(model), o.engine);
}

}  // namespace langevin::cli
