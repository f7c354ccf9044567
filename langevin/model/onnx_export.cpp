#include "langevin/model/onnx_export.h"

#include "langevin/nn/onnx_interpreter.h"

namespace langevin {
namespace {

using nlohmann::json;

onnx::About about(const ModelSpec& spec, const std::string& version) {
  const Schedule schedule(spec.schedule);
  onnx::About about;
  about.producer = "langevin";
  about.version = version;
  about.text = fmt::format("The denoiser of a diffusion model: it predicts {} at timesteps 0 to {}.",
                           to_string(spec.prediction), schedule.T() - 1);
  const auto alphas = schedule.alphas_cumprod();
  about.metadata = {{spec_key, to_json(spec).dump()},
                    {"prediction", to_string(spec.prediction)},
                    {"alphas_cumprod", json(std::vector<double>(alphas.begin(), alphas.end())).dump()}};
  if (!spec.labels.empty()) about.metadata.emplace("labels", json(spec.labels).dump());
  if (!spec.licence.empty()) about.metadata.emplace("licence", spec.licence);
  return about;
}

}  // namespace

std::filesystem::path write_onnx(const ModelFile& model, const std::filesystem::path& path,
                                 const std::string& version) {
  return onnx::write(path, nn::onnx_graph(model.spec.network), about(model.spec, version),
                     [&model](const std::string& name) { return model.tensor(name); });
}

}  // namespace langevin
