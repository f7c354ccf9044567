// langevin export: a model in another project's format.
#include <algorithm>

#include "langevin/cli/command.h"
#include "langevin/core/atomic_folder.h"
#include "langevin/core/names.h"
#include "langevin/model/diffusers_export.h"

namespace langevin::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExamples =
    "Examples:\n"
    "  langevin export runs/a --format diffusers --out exported/\n"
    "The folder opens in diffusers, and here as the same model: unet/, scheduler/, model_index.json, and a "
    "README.md\nthat names the classes.";

/// --force replaces what an export wrote, nothing else.
void check_replaceable(const fs::path& folder) {
  static const std::vector<std::string> ours{"README.md", "model_index.json", "scheduler", "unet", "vae"};
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    check(std::find(ours.begin(), ours.end(), name) != ours.end(), folder.string(),
          "holds '{}', which no export wrote; choose another --out or move it away", one_line(name));
  }
}

}  // namespace

void export_verb(const Arguments& arguments) {
  std::string model_name, format, out;
  bool force = false;
  CommonOptions common;
  CLI::App app("Write a model in another project's format.", "langevin export");
  app.add_option("model", model_name, "run folder, checkpoint, model file or a folder of another project")
      ->required();
  app.add_option("--format", format, "diffusers")->required();
  app.add_option("--out", out, "the folder to make")->required();
  app.add_flag("--force", force, "replace an export that is there already");
  add_common(app, common);
  app.footer(kExamples);
  if (!parse(app, arguments)) return;
  if (format != "diffusers") fail_usage("--format: {}", unknown_name("format", format, {"diffusers"}));

  Console console(common.level());
  const ModelFile model = open_named_model(model_name, console);
  check_exportable(model);
  AtomicFolder folder(out, force ? AtomicFolder::MayReplace(check_replaceable) : AtomicFolder::MayReplace());
  write_diffusers_folder(model, folder.path());
  folder.commit();
  if (common.json) return print_json({{"model", model_name}, {"format", format}, {"out", out}});
  console.info(fmt::format("{}: {} tensors of {}", out, model.weights.names().size(), model.path.string()));
}

}  // namespace langevin::cli
