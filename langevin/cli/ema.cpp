// langevin ema: averages of weights of any length, after training. Needs no libtorch.
#include "langevin/cli/command.h"
#include "langevin/core/atomic_file.h"
#include "langevin/model/ema_snapshots.h"

namespace langevin::cli {
namespace {

constexpr double kGoodFit = 0.1;  // |profile - wanted| / |wanted|

constexpr const char* kExamples =
    "Examples:\n"
    "  langevin train --data digits --out runs/a --set ema.lengths=[0.05,0.1]\n"
    "  langevin ema runs/a --length 0.15 --out runs/a/ema-0.15.safetensors\n"
    "  langevin sample runs/a/ema-0.15.safetensors --out out --grid grid.png\n"
    "The length is that of the average's profile as a share of the whole training: 0.05 to 0.2 is usual.";

}  // namespace

void ema_verb(const Arguments& arguments) {
  std::string run, out;
  double length = 0.1;
  int64_t updates = 0;
  CommonOptions common;
  CLI::App app("Average a run's weights over a length chosen after training.", "langevin ema");
  app.add_option("run", run, "folder of a run with snapshots (trained with ema.lengths)")->required();
  app.add_option(
      "--length", length,
      fmt::format("relative length of the average, above 0 and up to {} (default 0.1)", max_ema_length));
  app.add_option("--out", out, "FILE.safetensors to write, a model")->required();
  app.add_option("--at", updates, "update where the average ends; default: the newest snapshot's")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000'000'000}));
  add_common(app, common);
  app.footer(kExamples);
  if (!parse(app, arguments)) return;
  if (!(length > 0 && length <= max_ema_length))
    fail_usage("--length: needs a number above 0 and up to {}, got {}", max_ema_length, length);
  check(std::filesystem::is_directory(run), run, "is no run folder");
  check_writable(out);

  Console console(common.level());
  const EmaSynthesis made = synthesise_ema(run, length, updates, out);
  if (made.fit.error > kGoodFit) {
    console.warn(fmt::format(
        "the {} snapshots give this length with a profile that is off by {:.0f} %; lengths nearer to those "
        "trained with, or more ema.snapshots, do better",
        made.snapshots, 100 * made.fit.error));
  }
  if (common.json) {
    return print_json({{"run", run},
                       {"out", out},
                       {"length", made.length},
                       {"updates", made.updates},
                       {"snapshots", made.snapshots},
                       {"profile_error", made.fit.error},
                       {"weight_norm", made.fit.gain}});
  }
  console.info(
      fmt::format("{}: average of length {} after {} updates, of {} snapshots; profile off by {:.2g} %", out,
                  made.length, made.updates, made.snapshots, 100 * made.fit.error));
}

}  // namespace langevin::cli
