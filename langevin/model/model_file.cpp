#include "langevin/model/model_file.h"

#include <algorithm>

#include "langevin/core/json_file.h"
#include "langevin/core/names.h"
#include "langevin/model/check_tensors.h"
#include "langevin/model/diffusers_folder.h"
#include "langevin/model/policy_folder.h"

namespace langevin {
namespace fs = std::filesystem;
namespace {

void check_weights(const ModelFile& model) {
  check_tensors(model.weights, nn::cost_of(model.spec.network).parameters());
}

ModelFile open_diffusers(const fs::path& folder) {
  ModelFile model = open_diffusers_folder(folder);
  check_weights(model);
  return model;
}

/// A file with no description of ours: perhaps one of a folder that another project wrote.
ModelFile open_foreign(const fs::path& path, SafetensorsFile file) {
  if (is_diffusers_folder(path.parent_path())) return open_diffusers(path.parent_path());
  check(
      is_policy_folder(path), path.string(),
      "no description of a model inside (metadata key '{}'); give a model file, a checkpoint or a run folder",
      spec_key);
  ModelFile model;
  model.path = path;
  model.weights = TensorSet::of_file(std::move(file));
  model.foreign = true;
  model.spec = policy_folder_spec(path, model.weights);
  check_weights(model);
  return model;
}

ModelFile open_file(const fs::path& path) {
  SafetensorsFile file = SafetensorsFile::open(path);
  verify_checksum(file);
  check(file.metadata().count(ema_key) == 0, path.string(),
        "holds averages that a model can be made of: langevin ema RUN --length 0.1 --out FILE");
  const auto it = file.metadata().find(spec_key);
  if (it == file.metadata().end()) return open_foreign(path, std::move(file));
  const nlohmann::json json =
      parse_json(it->second, fmt::format("{}: the model's description", path.string()));
  const bool checkpoint = file.metadata().count("training") != 0;
  ModelFile model{path, spec_from_json(json, path.string()),
                  TensorSet::of_file(std::move(file), checkpoint ? ema_prefix : "")};
  check_weights(model);
  return model;
}

}  // namespace

std::string ModelFile::metadata(const std::string& key) const {
  const auto& all = weights.file().metadata();
  const auto found = all.find(key);
  return found == all.end() ? "" : found->second;
}

std::vector<fs::path> list_checkpoints(const fs::path& run) {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(run / "checkpoints", ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind("step-", 0) == 0 && entry.path().extension() == ".safetensors")
      found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

fs::path checkpoint_path(const fs::path& run, int64_t step) {
  return run / "checkpoints" / fmt::format("step-{:010d}.safetensors", step);
}

ModelFile open_model(const fs::path& model) {
  std::error_code ignored;
  if (!fs::is_directory(model, ignored)) {
    check(fs::exists(model, ignored), model.string(),
          "no such model; give a run folder, a checkpoint or a model file");
    return open_file(model);
  }
  if (is_diffusers_folder(model)) return open_diffusers(model);
  std::vector<fs::path> files = list_checkpoints(model);
  if (fs::exists(model / "model.safetensors")) files.push_back(model / "model.safetensors");
  check(!files.empty() || !fs::exists(model / "config.toml"), model.string(),
        "the run has no checkpoint and no model yet; train it first");
  check(
      !files.empty(), model.string(),
      "this folder holds no model (no model.safetensors, no checkpoints); give a run folder, a checkpoint or "
      "a model file");
  std::vector<std::string> notes;
  for (auto it = files.rbegin(); it != files.rend(); ++it) {
    try {
      ModelFile file = open_file(*it);
      for (const std::string& line : notes)
        file.notes.push_back(fmt::format("{}; taking {}", line, it->string()));
      return file;
    } catch (const Error& e) {
      if (files.size() == 1) throw;
      notes.emplace_back(e.what());
    }
  }
  fail("{}: none of its {} model and checkpoint files is whole; the newest: {}", model.string(), files.size(),
       notes.front());
}

void write_model(const fs::path& path, const ModelSpec& spec, const std::vector<TensorOut>& tensors) {
  write_safetensors(path, tensors, {{spec_key, to_json(spec).dump()}});
}

}  // namespace langevin
