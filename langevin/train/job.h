// A training job: recipe, data and place. Header-only and free of libtorch, so that the command line can
// check a whole configuration before the libtorch wing is loaded.
#pragma once

#include <filesystem>
#include <string>

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

}  // namespace langevin
