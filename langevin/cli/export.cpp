// langevin export: a model in another project's format.
#include <algorithm>

#include "langevin/cli/command.h"
#include "langevin/core/atomic_folder.h"
#include "langevin/core/names.h"
#include "langevin/model/diffusers_export.h"
#include "langevin/model/onnx_export.h"

namespace langevin::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExamples =
    "Examples:\n"
    "  langevin export runs/a --format diffusers --out exported/\n"
    "  langevin export runs/a --format onnx --out model.onnx\n"
    "diffusers: a folder that opens there, and here as the same model: unet/, scheduler/, model_index.json, "
    "and a\nREADME.md that names the classes.\n"
    "onnx: the network with its weights in fp32, for any runtime of that format: inputs `sample`, `timestep` "
    "and, where\nit takes them, `class_labels` and `global_cond`; output `output`; the model's description "
    "as "
    "metadata.";

/// --force replaces what an export wrote, nothing else.
void check_replaceable(const fs::path& folder) {
  static const std::vector<std::string> ours{"README.md", "model_index.json", "scheduler", "unet", "vae"};
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    check(std::find(ours.begin(), ours.end(), name) != ours.end(), folder.string(),
          "holds '{}', which no export wrote; choose another --out or move it away", one_line(name));
  }
}

void export_diffusers(const ModelFile& model, const std::string& out, bool force) {
  check_exportable(model);
  AtomicFolder folder(out, force ? AtomicFolder::MayReplace(check_replaceable) : AtomicFolder::MayReplace());
  write_diffusers_folder(model, folder.path());
  folder.commit();
}

/// Into a folder it goes as model.onnx.
fs::path export_onnx(const ModelFile& model, fs::path out, bool force) {
  if (fs::is_directory(out)) out /= "model.onnx";
  check(force || !fs::exists(out), out.string(), "is there already; choose another --out or add --force");
  write_onnx(model, out, LANGEVIN_VERSION);
  return out;
}

}  // namespace

void export_verb(const Arguments& arguments) {
  std::string model_name, format, out;
  bool force = false;
  CommonOptions common;
  CLI::App app("Write a model in another project's format.", "langevin export");
  app.add_option("model", model_name, "run folder, checkpoint, model file or a folder of another project")
      ->required();
  app.add_option("--format", format, "diffusers or onnx")->required();
  app.add_option("--out", out, "the folder to make; onnx: the file")->required();
  app.add_flag("--force", force, "replace an export that is there already");
  add_common(app, common);
  app.footer(kExamples);
  if (!parse(app, arguments)) return;
  if (format != "diffusers" && format != "onnx")
    fail_usage("--format: {}", unknown_name("format", format, {"diffusers", "onnx"}));

  Console console(common.level());
  const ModelFile model = open_named_model(model_name, console);
  if (format == "onnx")
    out = export_onnx(model, out, force).string();
  else
    export_diffusers(model, out, force);
  if (common.json) return print_json({{"model", model_name}, {"format", format}, {"out", out}});
  console.info(fmt::format("{}: {} tensors of {}", out, model.weights.names().size(), model.path.string()));
}

}  // namespace langevin::cli
