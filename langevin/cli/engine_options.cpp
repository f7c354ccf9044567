#include "langevin/cli/engine_options.h"

#include "langevin/cli/wing.h"
#include "langevin/core/names.h"

namespace langevin::cli {

void add_backend(CLI::App& app, BackendOptions& o) {
  app.add_option("--backend", o.backend, "auto or torch");
  app.add_option("--device", o.engine.device, "auto (default), cpu or cuda")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  app.add_option("--precision", o.engine.precision, "fp32 (default) or bf16")
      ->check(CLI::IsMember({"fp32", "bf16"}));
  app.add_option("--threads", o.engine.threads, "threads; 0: one a core")->check(CLI::Range(0, 4096));
}

void check_backend(const BackendOptions& o) {
  if (o.backend == "runtime") fail_usage("--backend: built without runtime; use auto or torch");
  if (o.backend != "auto" && o.backend != "torch") {
    fail_usage("--backend: {}", unknown_name("backend", o.backend, {"auto", "torch"}));
  }
}

std::unique_ptr<Engine> open_engine(ModelFile model, const BackendOptions& o) {
  check_backend(o);
  return torch_wing("auto").open_engine(std::move(model), o.engine);
}

}  // namespace langevin::cli
