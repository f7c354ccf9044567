#include "langevin/cli/eval_task.h"

#include "langevin/core/config.h"
#include "langevin/model/diffusers_folder.h"

namespace langevin::cli {

namespace fs = std::filesystem;

std::shared_ptr<PreparedSet> open_real(const EvalOptions& o, const Shape& shape, Console& console) {
  DataOptions options;
  options.split = "auto";
  options.threads = o.sampling.backend.engine.threads;
  if (!shape.empty()) {
    options.size = shape.at(1);
    options.width = shape.at(2);
    if (shape.at(0) == 4) options.channels = 4;
  }
  Schema schema;
  register_data_options(schema, options);
  for (const std::string& assignment : o.set) schema.set(assignment);
  auto data = open_dataset(o.data, options, console);
  check(shape.empty() || data->spec().channels == shape[0], o.data,
        "has pictures of {} channels, {} of {}; --set data.channels={} converts them", data->spec().channels,
        o.subject, shape[0], shape[0]);
  return data;
}

bool is_model(const fs::path& path) {
  if (fs::is_directory(path)) {
    return fs::exists(path / "model.safetensors") || fs::exists(path / "checkpoints") ||
           fs::exists(path / "config.toml") || is_diffusers_folder(path);
  }
  if (path.extension() == ".safetensors") return true;
  try {
    SafetensorsFile::open(path);
    return true;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace langevin::cli
