#include "langevin/model/onnx_export.h"

#include "langevin/nn/onnx_interpreter.h"

namespace langevin {
namespace {

using nlohmann::json;

onnx::About about(const ModelSpec& spec, const std::string& version) {
  const Target target = target_of(spec);
  onnx::About about;
  about.producer = "langevin";
  about.version = version;
  about.metadata = {{spec_key, to_json(spec).dump()}};
  if (target.schedule()) {
    about.text = fmt::format("The denoiser of a diffusion model: it predicts {} at timesteps 0 to {}.",
                             to_string(spec.prediction), target.schedule()->T() - 1);
    const auto alphas = target.schedule()->alphas_cumprod();
    about.metadata.emplace("prediction", to_string(spec.prediction));
    about.metadata.emplace("alphas_cumprod", json(std::vector<double>(alphas.begin(), alphas.end())).dump());
  } else {
    about.text = spec.target.kind == "edm"
                     ? "The network of an EDM (arXiv:2206.00364): it sees c_in x and is told c_noise."
                     : "The network of a flow (arXiv:2210.02747): it predicts eps - x_0 at t time_scale.";
    about.metadata.emplace("target", to_json(spec.target).dump());
  }
  if (nn::classifier(spec.network) != nullptr)
    about.text = "A classifier of pictures at a level of noise: logits of the classes in `labels`.";
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
