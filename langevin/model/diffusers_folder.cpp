#include "langevin/model/diffusers_folder.h"

#include <algorithm>

#include "langevin/core/json_file.h"
#include "langevin/core/names.h"
#include "langevin/model/peer_network.h"
#include "langevin/model/peer_scheduler.h"

namespace langevin {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

constexpr const char* kIndex = "model_index.json";
constexpr const char* kConfig = "config.json";
constexpr const char* kScheduler = "scheduler_config.json";

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

/// "" where the file names no class.
std::string class_in(const json& config) {
  const auto found = config.is_object() ? config.find("_class_name") : config.end();
  return found != config.end() && found->is_string() ? found->get<std::string>() : "";
}

bool names_its_class(const fs::path& config) {
  if (!is_file(config)) return false;
  try {
    return !class_in(read_json(config)).empty();
  } catch (const Error&) {
    return false;
  }
}

/// Where the parts of a model lie.
struct Places {
  fs::path network;                // the folder of config.json and weights
  fs::path scheduler;              // the file; empty: there is none
  std::string pipeline;            // "" of a bare component
  std::string network_class = "";  // as model_index.json says; "" where it does not
  std::string scheduler_class = "";
};

/// "X" of model_index.json's ["diffusers", "X"]; "" of [null, null] and where the key is absent.
std::string component_class(const json& index, const char* component, const std::string& source) {
  const auto found = index.find(component);
  if (found == index.end()) return "";
  const bool pair = found->is_array() && found->size() == 2;
  if (pair && (*found)[0].is_null() && (*found)[1].is_null()) return "";
  check(pair && (*found)[0].is_string() && (*found)[1].is_string(), source, "{} is not [library, class]: {}",
        component, one_line(found->dump()));
  check((*found)[0] == "diffusers", source, "{} is of the library {}, only diffusers is known", component,
        one_line((*found)[0].dump()));
  return (*found)[1].get<std::string>();
}

/// A part in its own folder, or flat beside model_index.json.
fs::path part(const fs::path& folder, const char* component, const char* config) {
  return is_file(folder / component / config) ? folder / component : folder;
}

/// DDIMPipeline and PNDMPipeline make their own scheduler of the one in the folder.
std::string scheduler_of(const std::string& pipeline, const std::string& written) {
  if (pipeline == "DDIMPipeline") return "DDIMScheduler";
  return pipeline == "PNDMPipeline" ? "PNDMScheduler" : written;
}

Places places_of_pipeline(const fs::path& folder) {
  const std::string source = (folder / kIndex).string();
  const json index = read_json(folder / kIndex);
  Places places;
  places.pipeline = class_in(index);
  const std::vector<std::string> known{"DDPMPipeline", "DDIMPipeline", "PNDMPipeline"};
  check(std::find(known.begin(), known.end(), places.pipeline) != known.end(), source,
        "{}; a component of it can be opened by its own folder",
        unknown_name("pipeline", places.pipeline, known));
  places.network_class = component_class(index, "unet", source);
  places.scheduler_class = scheduler_of(places.pipeline, component_class(index, "scheduler", source));
  for (const auto& [key, value] : index.items()) {
    const bool ours = key == "unet" || key == "scheduler" || (!key.empty() && key[0] == '_');
    check(ours, source, "unknown key '{}' = {}", one_line(key), one_line(value.dump()));
  }
  places.network = part(folder, "unet", kConfig);
  const fs::path scheduler = part(folder, "scheduler", kScheduler) / kScheduler;
  check(is_file(scheduler), source, "the pipeline has a scheduler, but there is no {}", scheduler.string());
  places.scheduler = scheduler;
  return places;
}

Places places_of(const fs::path& folder) {
  if (is_file(folder / kIndex)) return places_of_pipeline(folder);
  Places places;
  places.network = folder;
  for (const PeerNetwork& peer : peer_networks()) {
    const fs::path inner = folder / peer.component;
    if (is_file(folder / kConfig) || !is_file(inner / kConfig)) continue;
    check(places.network == folder || places.network == inner, folder.string(),
          "holds {} and {}; give the folder of one of them", places.network.filename().string(),
          peer.component);
    places.network = inner;
  }
  for (const fs::path& file : {folder / kScheduler, folder / "scheduler" / kScheduler}) {
    if (places.scheduler.empty() && is_file(file)) places.scheduler = file;
  }
  return places;
}

bool ends_with(const fs::path& file, std::string_view end) { return file.filename().string().ends_with(end); }

/// The weights as the peer looks for them: an index first, then one file; a variant ("...fp16.safetensors")
/// where it is the only one.
TensorSet open_weights(const fs::path& folder) {
  std::vector<fs::path> indices, files;
  bool pickled = false;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const fs::path& file = entry.path();
    if (ends_with(file, ".json") && file.filename().string().find(".safetensors.index") != std::string::npos)
      indices.push_back(file);
    if (ends_with(file, ".safetensors")) files.push_back(file);
    pickled = pickled || ends_with(file, ".bin");
  }
  const auto usual = [](const std::vector<fs::path>& all, const char* name) -> const fs::path* {
    for (const fs::path& file : all)
      if (file.filename() == name) return &file;
    return all.size() == 1 ? &all[0] : nullptr;
  };
  if (!indices.empty()) {
    const fs::path* index = usual(indices, "diffusion_pytorch_model.safetensors.index.json");
    check(index != nullptr, folder.string(), "holds {} indices of shards and none has the usual name",
          indices.size());
    return TensorSet::of_shards(*index);
  }
  check(!files.empty(), folder.string(), "holds no weights (*.safetensors){}",
        pickled ? "; its .bin is a Python pickle: save it there with safe_serialization=True" : "");
  const fs::path* file = usual(files, "diffusion_pytorch_model.safetensors");
  check(file != nullptr, folder.string(),
        "holds {} files of weights and none is called diffusion_pytorch_model.safetensors; leave one",
        files.size());
  SafetensorsFile opened = SafetensorsFile::open(*file);
  verify_checksum(opened);
  return TensorSet::of_file(std::move(opened));
}

}  // namespace

bool is_diffusers_folder(const fs::path& folder) {
  if (is_file(folder / kIndex) || names_its_class(folder / kConfig)) return true;
  return std::any_of(peer_networks().begin(), peer_networks().end(), [&](const PeerNetwork& peer) {
    return names_its_class(folder / peer.component / kConfig);
  });
}

namespace {

json without_private_keys(json object) {
  for (auto it = object.begin(); it != object.end();) {
    it = !it.key().empty() && it.key()[0] == '_' ? object.erase(it) : std::next(it);
  }
  return object;
}

void read_scheduler(const Places& places, ModelFile& model) {
  if (nn::is_autoencoder(model.spec.network)) return;  // it knows no time
  if (places.scheduler.empty()) {
    model.notes.push_back(fmt::format(
        "{}: no scheduler beside the network; DDPM's schedule is taken (linear, 1000 timesteps, epsilon)",
        model.path.string()));
    return;
  }
  model.notes = apply_peer_scheduler(read_json(places.scheduler), places.scheduler.string(),
                                     places.scheduler_class, model.spec);
}

/// Of a folder that `langevin export` wrote: our own description, which the weights carry, as long as the
/// folder says the same.
void read_own_description(const std::string& text, const Places& places, ModelFile& model) {
  const std::string source = model.weights.source();
  const nn::NetworkConfig network = model.spec.network;
  model.spec = spec_from_json(parse_json(text, source), source);
  check(nn::to_json(network) == nn::to_json(model.spec.network), source,
        "describes another network than {} beside it (metadata key '{}')", kConfig, spec_key);
  if (places.scheduler.empty()) return;
  const json written = without_private_keys(read_json(places.scheduler));
  if (written == without_private_keys(peer_scheduler(model.spec))) return;
  read_scheduler(places, model);
  model.notes.push_back(
      fmt::format("{}: was changed since the export; it counts", places.scheduler.string()));
}

/// What its files leave open: classes have numbers for names.
void describe_foreign(const json& config, const std::string& class_name, ModelSpec& spec) {
  spec.provenance = {{"imported_from", "diffusers"}, {"class", class_name}};
  if (config.contains("_diffusers_version")) spec.provenance["version"] = config["_diffusers_version"];
  for (int64_t i = 0; i < nn::class_count(spec.network); ++i) spec.labels.push_back(std::to_string(i));
}

}  // namespace

ModelFile open_diffusers_folder(const fs::path& folder) {
  const Places places = places_of(folder);
  const fs::path config_file = places.network / kConfig;
  const json config = read_json(config_file);
  const std::string source = config_file.string(), class_name = class_in(config);
  check(!class_name.empty(), source, "does not say which class of networks it is (_class_name)");
  check(places.network_class.empty() || places.network_class == class_name, source,
        "is of the class {}, {} says {}", one_line(class_name), kIndex, one_line(places.network_class));
  const PeerNetwork& peer = peer_network(class_name, source);

  ModelFile model;
  model.path = folder;
  model.foreign = true;
  model.weights = open_weights(places.network);
  model.weights.rename(peer.current_name);
  model.spec.network = peer.read(config, source, model.weights);
  const std::string own = model.metadata(spec_key);
  if (!own.empty()) {
    read_own_description(own, places, model);
    return model;
  }
  describe_foreign(config, class_name, model.spec);
  read_scheduler(places, model);
  return model;
}

}  // namespace langevin
