// langevin import: a model of another project becomes one file of ours, weights untouched.
#include "langevin/cli/command.h"
#include "langevin/model/model_file.h"

namespace langevin::cli {
namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  langevin import downloads/ddpm-cifar10-32 --out cifar.safetensors\n"
    "  langevin import downloads/pusht --out pusht.safetensors\n"
    "A folder of diffusers: a pipeline of a U-Net and its scheduler, or one network by itself. Whatever "
    "takes "
    "a MODEL\ntakes such a folder too.\n"
    "A folder with `config.json` and `model.safetensors` of a ConditionalUnet1D (Diffusion Policy): its "
    "files "
    "do not say\nhow it was trained, the authors' schedule is taken (100 timesteps, squaredcos_cap_v2, "
    "epsilon).";

}  // namespace

void import_verb(const Arguments& arguments) {
  std::string source, out;
  CommonOptions common;
  CLI::App app("Read a model of another project into one file.", "langevin import");
  app.add_option("source", source, "folder of the other project")->required();
  app.add_option("--out", out, "FILE.safetensors to write")->required();
  add_common(app, common);
  app.footer(kExamples);
  if (!parse(app, arguments)) return;

  Console console(common.level());
  const ModelFile model = open_named_model(source, console);
  check(model.foreign, source, "is a model of this project already; copy {} as it is", model.path.string());
  std::vector<TensorOut> tensors;
  for (const std::string& name : model.weights.names()) {
    const TensorView& view = model.weights.at(name);
    tensors.push_back({name, view.dtype, view.shape, view.bytes});
  }
  write_model(out, model.spec, tensors);
  if (common.json) {
    return print_json({{"source", model.path.string()}, {"out", out}, {"tensors", tensors.size()}});
  }
  console.info(fmt::format("{}: {} tensors of {}", out, tensors.size(), model.path.string()));
}

}  // namespace langevin::cli
