#include "langevin/model/diffusers_export.h"

#include "langevin/core/atomic_file.h"
#include "langevin/core/names.h"
#include "langevin/model/peer_network.h"
#include "langevin/model/peer_scheduler.h"

namespace langevin {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

constexpr const char* kVersion = "0.21.0";  // whose keys are written; later ones read them too

struct Exported {
  const PeerNetwork* peer = nullptr;
  json config;
};

Exported network_of(const ModelFile& model) {
  for (const PeerNetwork& peer : peer_networks()) {
    json config = peer.write(model.spec.network);
    if (!config.is_null()) return {&peer, std::move(config)};
  }
  fail("{}: diffusers has no class for the network {}", model.path.string(),
       nn::to_json(model.spec.network).value("type", ""));
}

/// diffusers doubles on the way up whatever it halved on the way down.
void check_size(const ModelFile& model) {
  const auto* c = std::get_if<nn::UNet2DConfig>(&model.spec.network);
  if (c == nullptr) return;
  const int64_t factor = int64_t{1} << (c->block_out_channels.size() - 1);
  check(c->sample_height % factor == 0 && c->sample_width % factor == 0, model.path.string(),
        "diffusers cannot run this network on {} x {} pictures: {} stages need multiples of {} there",
        c->sample_height, c->sample_width, c->block_out_channels.size(), factor);
}

void write_json(const fs::path& path, json object) { write_file(path, object.dump(2) + "\n"); }

void write_weights(const ModelFile& model, const fs::path& path) {
  std::vector<TensorOut> tensors;
  for (const std::string& name : model.weights.names()) {
    const TensorView& view = model.weights.at(name);
    tensors.push_back({name, view.dtype, view.shape, view.bytes});
  }
  write_safetensors(path, tensors, {{"format", "pt"}, {spec_key, to_json(model.spec).dump()}});
}

std::string class_lines(const ModelSpec& spec) {
  if (spec.labels.empty()) return "";
  std::string text = "\n## Classes\n\nThe network takes `class_labels` (a tensor of N integers):\n\n";
  for (size_t i = 0; i < spec.labels.size(); ++i)
    text += fmt::format("- {}: {}\n", i, one_line(spec.labels[i]));
  if (spec.null_class) {
    text += fmt::format(
        "- {}: none of them. For guidance: out = u + g (c - u), c with the class, u with this one.\n",
        spec.labels.size());
  }
  return text;
}

/// A model card: what a config.json has no key for.
std::string readme(const ModelSpec& spec, const PeerNetwork& peer, const std::string& scheduler) {
  std::string text = fmt::format(
      "# {0}\n\nMade with Langevin. In Python:\n\n"
      "    from diffusers import {0}{1}\n"
      "    network = {0}.from_pretrained(\"THIS_FOLDER\", subfolder=\"{2}\")\n",
      peer.class_name, scheduler.empty() ? "" : ", " + scheduler, peer.component);
  if (!scheduler.empty())
    text += fmt::format("    scheduler = {}.from_pretrained(\"THIS_FOLDER\", subfolder=\"scheduler\")\n",
                        scheduler);
  text += fmt::format("\nValues: x_0 = (value - {}) / {}, {}.\n", spec.normaliser_offset,
                      spec.normaliser_scale, one_line(spec.units));
  if (!spec.licence.empty()) text += fmt::format("Licence of the data: {}.\n", one_line(spec.licence));
  return text + class_lines(spec);
}

bool has_process(const PeerNetwork& peer) { return peer.component == "unet"; }

/// Its class.
std::string write_scheduler(const ModelFile& model, const fs::path& folder) {
  json scheduler = peer_scheduler(model.spec);
  const auto name = scheduler.at("_class_name").get<std::string>();
  scheduler["_diffusers_version"] = kVersion;
  make_folders(folder / "scheduler");
  write_json(folder / "scheduler" / "scheduler_config.json", std::move(scheduler));
  return name;
}

/// The stock pipeline that runs such a network; "": there is none.
std::string pipeline_of(const PeerNetwork& peer, const std::string& scheduler) {
  if (peer.class_name != "UNet2DModel") return "";
  return scheduler == "DDPMScheduler" ? "DDPMPipeline" : scheduler == "DDIMScheduler" ? "DDIMPipeline" : "";
}

}  // namespace

void check_exportable(const ModelFile& model) {
  network_of(model);
  check_ddpm(model.spec, fmt::format("{}: diffusers {}", model.path.string(), kVersion));
  check_size(model);
}

void write_diffusers_folder(const ModelFile& model, const fs::path& folder) {
  check_exportable(model);
  const auto [peer, config] = network_of(model);
  const fs::path component = folder / peer->component;
  make_folders(component);
  json network = config;
  network["_diffusers_version"] = kVersion;
  write_json(component / "config.json", std::move(network));
  write_weights(model, component / "diffusion_pytorch_model.safetensors");

  std::string scheduler_class;
  if (has_process(*peer)) scheduler_class = write_scheduler(model, folder);
  write_file(folder / "README.md", readme(model.spec, *peer, scheduler_class));
  const std::string pipeline = pipeline_of(*peer, scheduler_class);
  if (pipeline.empty()) return;
  write_json(folder / "model_index.json", {{"_class_name", pipeline},
                                           {"_diffusers_version", kVersion},
                                           {std::string(peer->component), {"diffusers", peer->class_name}},
                                           {"scheduler", {"diffusers", scheduler_class}}});
}

}  // namespace langevin
