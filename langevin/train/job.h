// A training job: recipe, data and place. Header-only and free of libtorch, so that the command line can
// check a whole configuration before the libtorch wing is loaded.
#pragma once

#include <filesystem>
#include <string>
#include <system_error>

#include "langevin/data/open.h"
#include "langevin/model/recipe.h"

namespace langevin {

struct TrainJob {
  std::string data;     // path
  std::string licence;  // of the data, kept in the model file
  DataOptions data_options;
  Recipe recipe;
};

inline Schema job_schema(TrainJob& job) {
  Schema schema = recipe_schema(job.recipe);
  schema.field("data.path", job.data, "what is trained on: a folder, an archive, IDX, CIFAR, npy or npz");
  schema.field("data.licence", job.licence, "licence of the data, kept in the model file");
  register_data_options(schema, job.data_options);
  return schema;
}

inline TrainJob preset_job(const std::string& name) {
  TrainJob job;
  job.recipe = preset(name);
  job.data_options.size = job.recipe.image_size;
  job.data_options.flip = job.recipe.flip;
  return job;
}

/// Error unless `run` is absent or an empty folder; with `resume`, unless it holds a run.
inline void check_run_folder(const std::filesystem::path& run, bool resume) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (resume) {
    check(
        fs::is_regular_file(run / "config.toml", error), run.string(),
        "there is no run to resume (no config.toml); leave --resume out to begin one in a folder of its own");
    return;
  }
  if (!fs::exists(fs::symlink_status(run, error))) return;
  check(fs::is_directory(run, error), run.string(), "exists and is no folder; give another --out");
  // A start that ended before its first checkpoint left nothing that counts; before its configuration, only
  // the empty folders of a run.
  const auto empty = [&](const fs::path& folder) {
    return !fs::exists(folder, error) || (fs::is_directory(folder, error) && fs::is_empty(folder, error));
  };
  bool counts = false;
  for (const auto& entry : fs::directory_iterator(run, error)) {
    const fs::path name = entry.path().filename();
    counts |= (name != "samples" && name != "checkpoints") || !empty(entry.path());
  }
  const bool aborted = fs::exists(run / "config.toml", error) &&
                       !fs::exists(run / "model.safetensors", error) && empty(run / "checkpoints");
  check(aborted || (!counts && !error), run.string(),
        "the run folder exists already; continue it with --resume, or give another --out");
}

}  // namespace langevin
